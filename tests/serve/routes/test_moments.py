"""One video: where a sentence is, its curve, its labels."""

import base64
import io
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from vidskim.pipeline.load import load_classifier
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


def test_the_curve_of_all_that_can_be_searched_with(client: TestClient, library: Library) -> None:
    red = library.videos["red"].id
    route = f"/v1/videos/{red}/signal"
    words = client.post(route, json={"query": "red", "window": 0}).json()
    expected = client.get(route, params={"query": "red", "window": 0}).json()
    assert {**words, "took_ms": 0} == {**expected, "took_ms": 0}
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(buffer, "PNG")
    picture = base64.b64encode(buffer.getvalue()).decode()
    assert client.post(route, json={"image": picture, "window": 0}).json()["scores"] == words["scores"]
    like = client.post(route, json={"like": {"video_id": red, "time": 1.0}, "window": 0}).json()
    assert max(like["scores"]) == pytest.approx(1)
    assert client.post(route, json={"query": "red", "image": picture}).status_code == 422
    nobody = {"video_id": "nobody", "time": 0.0}
    assert client.post(route, json={"like": nobody}).json()["error"]["code"] == "no_video"
    assert client.post("/v1/videos/nobody/signal", json={"query": "red"}).status_code == 404


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


def test_labels(fresh_client: TestClient, fresh: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    red = fresh.videos["red"]
    answer = fresh_client.post("/v1/classify", json={"video_id": red.id})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_classifier")
    classifier = load_classifier("demo-action")
    engine = fresh.engine(load_classifier=lambda: classifier)
    monkeypatch.setattr("vidskim.video.views.read_video", None)  # nothing is decoded in this process
    with TestClient(fresh.app(engine=engine), base_url="http://localhost") as other:
        answer = other.post("/v1/classify", json={"video_id": red.id, "top": 2, "views": "k400"}).json()
        monkeypatch.undo()
        expected = classifier.classify_file(red.path, top=2, views="k400")
        assert [(each["label"], each["score"]) for each in answer["labels"]] == list(expected)
        assert (answer["views"], answer["model"]) == (15, expected.fingerprint.model)
        broken = fresh.folder / "clips/a/red.mp4"
        broken.write_bytes(broken.read_bytes()[:500])
        refusal = other.post("/v1/classify", json={"video_id": red.id}).json()
        assert refusal["error"]["code"] == "unreadable_video"
        (fresh.folder / "clips/a/red.mp4").unlink()
        assert other.post("/v1/classify", json={"video_id": red.id}).json()["error"]["code"] == "file_gone"
