"""POST /v1/search: what it finds, what it leaves out, what it refuses."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from vidskim.fingerprint import Fingerprint

Library = Any  # see conftest


def ask(client: TestClient, **asked: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refuse(client: TestClient, **asked: Any) -> str:
    answer = client.post("/v1/search", json=asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid_request")
    return str(error["message"])


def test_a_sentence_finds_its_moment(client: TestClient, library: Library) -> None:
    answer = ask(client, query="red", threshold=0.3)
    red = library.videos["red"]
    first = answer["results"][0]
    assert (first["rank"], first["video_id"], first["name"], first["folder"]) == (
        1,
        red.id,
        "red.mp4",
        "clips/a",
    )
    assert first["end"] == 2.0
    assert first["best_score"] == pytest.approx(3 / (9 + 1 + 6 * 0.01) ** 0.5, abs=0.01)
    assert first["duration"] == 2.0
    assert client.get(first["thumbnail_url"]).headers["content-type"] == "image/jpeg"
    assert client.get(first["stream_url"].partition("#")[0]).status_code == 200
    assert answer["index"] == {
        "model": "stub",
        "method": "full",
        "fingerprint": library.store.about.fingerprint.digest,
        "dimensions": 8,
        "videos": 3,
        "frames": 12,
    }
    assert (answer["good"], answer["threshold"], answer["how"]) == (True, 0.3, "exact")
    assert answer["took_ms"] > 0
    assert "prob" not in str(answer)


def test_nothing_good_is_said_to_be_so(client: TestClient) -> None:
    answer = ask(client, query="a thing nobody filmed", threshold=0.99)
    assert (answer["results"], answer["good"]) == ([], False)
    assert answer["best_score"] < 0.99


def test_the_default_threshold_is_the_models(client: TestClient) -> None:
    assert ask(client, query="red")["threshold"] == 0.5


def test_grouped_by_video_holds_all_moments(client: TestClient) -> None:
    hits = ask(client, query="red", threshold=-1, group_by="video", top_k=2)["results"]
    assert len(hits) == 2
    for hit in hits:
        assert hit["moments"][0]["start"] == hit["start"]
        scores = [moment["score"] for moment in hit["moments"]]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ({"folder": "clips/b"}, {"green.mp4", "blue.mp4"}),
        ({"folder": "clips"}, {"red.mp4", "green.mp4", "blue.mp4"}),
        ({"folder": "clip"}, set()),
        ({"name": "RED"}, {"red.mp4"}),
        ({"min_duration": 3}, set()),
        ({"max_duration": 3}, {"red.mp4", "green.mp4", "blue.mp4"}),
        ({"indexed_after": "2001-01-01T00:00:00Z"}, {"red.mp4", "green.mp4", "blue.mp4"}),
        ({"indexed_before": "2001-01-01T00:00:00"}, set()),
    ],
)
def test_filters_come_before_ranking(client: TestClient, condition: dict[str, Any], names: set[str]) -> None:
    hits = ask(client, query="red", threshold=-1, filter=condition, group_by="video")["results"]
    assert {hit["name"] for hit in hits} == names


def test_only_a_part_of_each_video(client: TestClient) -> None:
    hits = ask(client, query="red", threshold=-1, filter={"start": 0, "end": 0.9}, group_by="video")[
        "results"
    ]
    assert len(hits) == 3
    assert all(hit["start"] < 0.9 for hit in hits)
    message = refuse(client, query="red", filter={"start": 2, "end": 1})
    assert "start must be before end, received 2 and 1" in message


def test_by_ids(client: TestClient, library: Library) -> None:
    blue = library.videos["blue"].id
    hits = ask(client, query="red", threshold=-1, filter={"video_ids": [blue]}, group_by="video")["results"]
    assert [hit["video_id"] for hit in hits] == [blue]
    answer = client.post("/v1/search", json={"query": "red", "filter": {"video_ids": ["nobody"]}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_video")


def test_a_picture_finds_what_looks_like_it(client: TestClient) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 200, 10)).save(buffer, "PNG")
    picture = base64.b64encode(buffer.getvalue()).decode()
    hits = ask(client, image=picture, threshold=0.5)["results"]
    assert [hit["name"] for hit in hits] == ["green.mp4"]


def test_more_like_this_frame(client: TestClient, library: Library) -> None:
    like = {"video_id": library.videos["blue"].id, "time": 1.6}
    hits = ask(client, like=like, threshold=-1, group_by="video")["results"]
    assert hits[0]["name"] == "blue.mp4"
    assert hits[0]["best_score"] == pytest.approx(1, abs=1e-5)


def test_a_picture_that_is_none(client: TestClient) -> None:
    for text in ("@@@", base64.b64encode(b"GIF89a nothing").decode()):
        answer = client.post("/v1/search", json={"image": text})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unreadable_image")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "give one of query, image and like"),
        ({"query": "a", "image": "b"}, "give one of query, image and like"),
        ({"query": ""}, "at least 1 character"),
        ({"query": "x" * 1001}, "at most 1000 characters"),
        ({"query": "a", "top_k": 201}, "less than or equal to 200"),
        ({"query": "a", "top_k": 0}, "greater than or equal to 1"),
        ({"query": "a", "threshold": 2}, "less than or equal to 1"),
        ({"query": "a", "limit": 3}, "Extra inputs are not permitted"),
        ({"query": "a", "filter": {"path": "/etc"}}, "Extra inputs are not permitted"),
        ({"query": "\ud800"}, "query"),
    ],
)
def test_what_cannot_be_asked(client: TestClient, asked: dict[str, Any], said: str) -> None:
    import json

    answer = client.post(
        "/v1/search", content=json.dumps(asked), headers={"content-type": "application/json"}
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid_request")
    assert said in error["message"]


def test_numbers_that_are_none(client: TestClient) -> None:
    answer = client.post(
        "/v1/search", content='{"query": "a", "threshold": NaN}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


def test_without_a_text_tower(library: Library) -> None:
    engine = library.engine(texts=None)
    with TestClient(library.app(engine=engine), base_url="http://localhost") as client:
        answer = client.post("/v1/search", json={"query": "red"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_text")
        like = {"video_id": library.videos["red"].id, "time": 0}
        assert client.post("/v1/search", json={"like": like}).status_code == 200


@pytest.fixture
def layered(fresh: Library) -> Iterator[tuple[TestClient, Library]]:
    """A library with vectors of segments and whole videos."""
    fresh.layer()
    with TestClient(fresh.app(), base_url="http://localhost") as client:
        yield client, fresh


def test_level_video_ranks_whole_videos_by_their_own_vectors(layered: tuple[TestClient, Library]) -> None:
    client, library = layered
    answer = ask(client, query="red", level="video", top_k=2)
    first, second = answer["results"]
    assert (first["name"], first["video_id"]) == ("blue.mp4", library.videos["blue"].id)
    assert (first["score"], first["best_score"]) == pytest.approx((2 / 5**0.5, 1.0))
    assert (first["start"], first["end"], first["best_time"]) == (1.0, 2.0, 1.5)
    assert second["score"] == pytest.approx(0)
    assert (answer["level"], answer["threshold"], answer["good"]) == ("video", None, None)
    assert list(answer["stages"]["took_ms"]) == ["videos", "segments"]
    assert min(answer["stages"]["took_ms"].values()) > 0
    assert answer["stages"]["without"] == 0
    assert (library.level_texts.calls, library.texts.calls) == ([["red"]], [])
    only = ask(client, query="red", level="video", filter={"folder": "clips/a"})["results"]
    assert [hit["name"] for hit in only] == ["red.mp4"]
    assert not ask(client, query="red", level="video", threshold=0.95)["good"]


def test_level_moment_looks_into_the_best_segments_first(
    layered: tuple[TestClient, Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = layered
    answer, plain = ask(client, query="red", level="moment"), ask(client, query="red")
    assert answer["results"] == plain["results"] != []
    assert (answer["level"], answer["threshold"]) == (plain["level"], plain["threshold"]) == ("moment", 0.5)
    assert list(answer["stages"]["took_ms"]) == ["segments", "moments"]
    assert plain["stages"] is None
    monkeypatch.setattr("vidskim.tasks.levels.SEGMENTS_PER_RESULT", 1)
    (hit,) = ask(client, query="red", level="moment", top_k=1, threshold=-1)["results"]
    assert hit["name"] == "blue.mp4"


def test_videos_without_such_vectors_are_counted(layered: tuple[TestClient, Library]) -> None:
    client, library = layered
    library.add(library.folder / "clips/a/red.mp4", axis=0)
    answer = ask(client, query="red", level="video")
    assert answer["stages"]["without"] == 1
    assert {hit["name"] for hit in answer["results"]} == {"green.mp4", "blue.mp4"}


@pytest.mark.parametrize("level", ["video", "moment"])
def test_a_store_without_levels_names_the_command(client: TestClient, level: str) -> None:
    answer = client.post("/v1/search", json={"query": "red", "level": level})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "no_levels")
    assert "`vidskim index VIDEOS --store STORE --retrieval MODEL`" in error["message"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"like": {"video_id": "a", "time": 0}, "level": "video"}, "level is for sentences"),
        ({"image": "aaaa", "level": "moment"}, "level is for sentences"),
        ({"query": "a", "level": "moment", "group_by": "video"}, "leave it out with level"),
        ({"query": "a", "level": "video", "filter": {"end": 3}}, "filter.end are about moments"),
        ({"query": "a", "level": "frame"}, "'moment' or 'video'"),
    ],
)
def test_where_a_level_does_not_fit(client: TestClient, asked: dict[str, Any], said: str) -> None:
    assert said in refuse(client, **asked)


def test_vectors_replaced_while_a_sentence_is_encoded_are_not_compared_with(fresh: Library) -> None:
    fresh.layer()
    others = iter([Fingerprint("other", digit * 64, {}, "tempme") for digit in "23"])
    fresh.level_texts.before = lambda: fresh.store.keep_levels(
        fingerprint=next(others), dimensions=8, overwrite=True
    )
    with TestClient(fresh.app(), base_url="http://localhost") as client:
        for level in ("video", "moment"):
            answer = client.post("/v1/search", json={"query": "red", "level": level})
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
            assert "replaced meanwhile; ask again" in answer.text
