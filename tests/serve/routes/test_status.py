"""Health, readiness, metrics."""

from typing import Any

from starlette.testclient import TestClient

Library = Any  # see conftest


def test_ready_says_what_is_served(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready").json()
    assert ready["status"] == "ready"
    assert ready["index"]["videos"] == 3
    assert ready["thresholds"] == {"text": 0.5, "picture": None}


def test_not_ready_before_the_start(library: Library) -> None:
    client = TestClient(library.app(), base_url="http://localhost")  # not entered: nothing has started
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"] == "1"


def test_metrics_count_routes_and_not_what_was_sent(fresh_client: TestClient, fresh: Library) -> None:
    fresh_client.post("/v1/search", json={"query": "my secret sentence"})
    fresh_client.get(f"/v1/videos/{fresh.videos['red'].id}")
    fresh_client.get("/v1/videos/nobody")
    fresh_client.get("/nothing/here")
    fresh_client.get("/health", headers={"host": "evil.example"})
    text = fresh_client.get("/metrics").text
    assert 'vidskim_requests_total{method="POST",route="/v1/search",status="200"} 1.0' in text
    assert 'vidskim_requests_total{method="GET",route="/v1/videos/{video_id}",status="404"} 1.0' in text
    assert 'status="421"' in text
    assert 'vidskim_batch_size_count{queue="texts"} 1.0' in text
    assert 'vidskim_waiting{queue="searches"} 0.0' in text
    assert "vidskim_videos 3.0" in text
    for private in ("secret", "nobody", "nothing/here", fresh.videos["red"].id):
        assert private not in text
