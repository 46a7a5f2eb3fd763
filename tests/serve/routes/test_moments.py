"""One video: where a sentence is, its curve, its labels."""

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from vidskim.pipeline.classification import Classification
from vidskim.tasks.stored import ground_stored

Library = Any  # see conftest


def test_the_curve_and_its_moments(client: TestClient, library: Library) -> None:
    red = library.videos["red"].id
    answer = client.get(f"/v1/videos/{red}/signal", params={"query": "red", "window": 0}).json()
    expected = ground_stored(library.store, red, library.texts.encode_text(["red"])[0], window_s=None)
    assert answer["times"] == [0, 0.5, 1, 1.5]
    assert answer["scores"] == pytest.approx(expected.signal.tolist())
    assert answer["smoothed"] == pytest.approx(expected.smoothed.tolist())
    assert answer["threshold"] == pytest.approx(expected.threshold)
    assert [(each["start"], each["end"]) for each in answer["moments"]] == [(1.0, 2.0)]
    asked = {"video_id": red, "query": "red", "window": 0}
    ground = client.post("/v1/ground", json=asked).json()
    assert ground["moments"] == answer["moments"]
    assert client.post("/v1/ground", json={**asked, "factor": 0}).json()["moments"][0]["start"] == 0


def test_the_curve_of_a_frame(client: TestClient, library: Library) -> None:
    red, blue = library.videos["red"].id, library.videos["blue"].id
    frame = {"like_video": red, "like_time": 1.0, "window": 0}
    scores = client.get(f"/v1/videos/{red}/signal", params=frame).json()["scores"]
    vectors = library.store.frames(red).vectors
    assert scores == pytest.approx((vectors @ vectors[2]).tolist(), abs=1e-6)
    assert max(client.get(f"/v1/videos/{blue}/signal", params=frame).json()["scores"]) < 0.5
    both = {"query": "red", "like_video": red}
    assert client.get(f"/v1/videos/{red}/signal", params=both).status_code == 422
    assert client.get(f"/v1/videos/{red}/signal", params={"like_video": "nobody"}).status_code == 404


def test_what_cannot_be_asked(client: TestClient, library: Library) -> None:
    red = library.videos["red"].id
    for path, params in (
        ("nobody", {"query": "red"}),
        (red, {}),
        (red, {"query": "x" * 1001}),
        (red, {"query": ""}),
    ):
        answer = client.get(f"/v1/videos/{path}/signal", params=params)
        assert answer.status_code == (404 if path == "nobody" else 422)
    assert client.post("/v1/ground", json={"video_id": "nobody", "query": "red"}).status_code == 404


def test_labels(fresh_client: TestClient, fresh: Library) -> None:
    red = fresh.videos["red"]
    answer = fresh_client.post("/v1/classify", json={"video_id": red.id})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_classifier")
    asked: list[Any] = []

    def classify_file(path: Any, **settings: Any) -> Classification:
        asked.append((str(path), settings))
        return Classification(("run", "walk"), (0.7, 0.2), 1, 10, fresh.store.about.fingerprint)

    engine = fresh.engine(load_classifier=lambda: SimpleNamespace(classify_file=classify_file))
    with TestClient(fresh.app(engine=engine), base_url="http://localhost") as other:
        answer = other.post("/v1/classify", json={"video_id": red.id, "top": 2}).json()
        assert answer["labels"] == [{"label": "run", "score": 0.7}, {"label": "walk", "score": 0.2}]
        assert (answer["views"], answer["model"]) == (1, "stub")
        assert asked == [(red.path, {"top": 2, "views": "one"})]
        (fresh.folder / "clips/a/red.mp4").unlink()
        assert other.post("/v1/classify", json={"video_id": red.id}).json()["error"]["code"] == "file_gone"
