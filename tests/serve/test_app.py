"""The app as a whole: errors in one envelope, the document behind /docs, searches under load."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.testclient import TestClient

from vidskim.serve.caps import Caps
from vidskim.serve.refusal import CODES

Library = Any  # see conftest


def test_every_refusal_has_the_envelope(client: TestClient) -> None:
    for method, path, status, code in (
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/search", 405, "method_not_allowed"),
        ("PUT", "/v1/videos", 405, "method_not_allowed"),
        ("GET", "/v1/videos/", 404, "not_found"),
        ("POST", "/v1/search", 422, "invalid_request"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert set(answer.json()["error"]) == {"code", "message"}
    assert client.get("/v1/search").headers["allow"] == "POST"


def test_the_document_names_every_route_and_the_envelope(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    wanted = {
        "/v1/search",
        "/v1/embeddings",
        "/v1/ground",
        "/v1/classify",
        "/v1/videos",
        "/v1/videos/{video_id}",
        "/v1/videos/{video_id}/thumbnail",
        "/v1/videos/{video_id}/stream",
        "/v1/videos/{video_id}/signal",
        "/v1/jobs",
        "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/retry",
        "/health",
        "/ready",
        "/metrics",
    }
    assert wanted <= set(document["paths"])
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("ErrorBody")
    assert "HTTPValidationError" not in str(document)


def test_codes_are_stable() -> None:
    assert {
        code: CODES[code] for code in ("unauthorized", "no_video", "busy", "too_large", "wrong_host")
    } == {
        "unauthorized": 401,
        "no_video": 404,
        "busy": 429,
        "too_large": 413,
        "wrong_host": 421,
    }


def test_searches_at_once_share_batches(client: TestClient, library: Library) -> None:
    library.texts.calls.clear()

    def ask(number: int) -> tuple[int, str]:
        answer = client.post(
            "/v1/search", json={"query": ("red", "green", "blue")[number % 3], "threshold": -1}
        )
        return answer.status_code, answer.json()["results"][0]["name"]

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(48)))
    assert answers == [(200, ("red.mp4", "green.mp4", "blue.mp4")[number % 3]) for number in range(48)]
    assert sum(map(len, library.texts.calls)) == 48


def test_too_many_searches_are_told_when_to_come_again(fresh: Library) -> None:
    import threading

    release = threading.Event()
    fresh.texts.before = lambda: release.wait(20) and None
    with (
        TestClient(fresh.app(caps=Caps(queue=1, deadline_s=15)), base_url="http://localhost") as client,
        ThreadPoolExecutor(5) as pool,
    ):
        asked = [pool.submit(client.post, "/v1/search", json={"query": "red"}) for _ in range(5)]
        assert client.get("/health").status_code == 200  # the loop is free
        while sum(each.done() for each in asked) < 3:
            threading.Event().wait(0.01)
        release.set()
        answers = [each.result() for each in asked]
    busy = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len(busy) >= 3  # one is worked on, one may wait
    assert all(answer.headers["retry-after"] == "1" for answer in busy)
    assert all(answer.json()["error"]["code"] == "busy" for answer in busy)
