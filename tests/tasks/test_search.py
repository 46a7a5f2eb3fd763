"""Search on vectors made by hand."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pytest
import torch

from vidskim.errors import SettingsError, StoreError
from vidskim.store.cache import Cache
from vidskim.store.matrix import Matrix
from vidskim.store.reader import Reader
from vidskim.store.view import BehindError
from vidskim.tasks.ground import ground
from vidskim.tasks.search import SearchResult, search, search_each
from vidskim.tasks.stored import find_stored, ground_stored


class Shelf(Protocol):
    store: Any
    query: Any

    def add(self, path: str, cosines: list[float], *, fps: float = 2.0) -> Any: ...


LOW = 0.1
# two frames a second; without smoothing every expected number can be read off
DOG = [LOW] * 6 + [0.7, 0.9, 0.8] + [LOW] * 7 + [0.6, 0.6] + [LOW] * 6
CAT = [LOW] * 4 + [0.5, 0.5] + [LOW] * 10
DULL = [0.0, 0.05] * 6


@pytest.fixture
def stocked(shelf: Shelf) -> Shelf:
    for path, cosines in {"/a/dog.mp4": DOG, "/a/b/cat.mp4": CAT, "/c/dull.mp4": DULL}.items():
        shelf.add(path, cosines)
    return shelf


def spans(result: SearchResult) -> list[tuple[str, float, float, float]]:
    return [(each.name, each.start_s, each.end_s, round(each.score, 4)) for each in result.found]


def test_moments_of_all_videos_are_ranked_by_score(stocked: Shelf) -> None:
    result = search(stocked.store, stocked.query, window_s=None, limit=3)
    assert spans(result) == [
        ("dog.mp4", 3.0, 4.5, 0.9),
        ("dog.mp4", 8.0, 9.0, 0.6),
        ("cat.mp4", 2.0, 3.0, 0.5),
    ]
    best = result.found[0]
    assert (best.path, best.best_s, round(best.best_score, 4)) == ("/a/dog.mp4", 3.5, 0.9)
    assert best.video == find_stored(stocked.store, "/a/dog.mp4").id
    assert (result.how, result.is_good, result.min_score) == ("exact", None, None)
    assert result.best_score == best.score


def test_smoothing_is_in_seconds_and_lowers_short_events(stocked: Shelf) -> None:
    result = search(stocked.store, torch.from_numpy(stocked.query), window_s=1.5, limit=1)
    assert spans(result) == [("dog.mp4", 2.5, 5.0, 0.8)]
    assert result.found[0].best_s == 3.5


def test_a_moment_equals_what_grounding_finds(stocked: Shelf) -> None:
    result = search(stocked.store, stocked.query, limit=20)
    moments = ground_stored(stocked.store, "/a/dog.mp4", stocked.query, window_s=2.0).moments
    assert [each.moment for each in result.found if each.name == "dog.mp4"] == list(moments)


def test_grouping_leaves_room_for_other_videos(stocked: Shelf) -> None:
    result = search(stocked.store, stocked.query, window_s=None, per_video=1, limit=3)
    assert [each.name for each in result.found] == ["dog.mp4", "cat.mp4", "dull.mp4"]
    result = search(stocked.store, stocked.query, window_s=None, per_video=1, limit=2)
    assert [each.name for each in result.found] == ["dog.mp4", "cat.mp4"]


def test_grouping_looks_further_if_one_video_holds_all_near_frames(shelf: Shelf) -> None:
    shelf.add("/long.mp4", [0.9] * 200)
    for number in range(3):
        shelf.add(f"/short{number}.mp4", [0.5 - number / 10] * 3)
    result = search(shelf.store, shelf.query, per_video=1, limit=4)
    assert [each.name for each in result.found] == ["long.mp4", "short0.mp4", "short1.mp4", "short2.mp4"]


def test_folders_and_ids_restrict(stocked: Shelf) -> None:
    def names(**filters: Any) -> set[str]:
        return {each.name for each in search(stocked.store, stocked.query, **filters).found}

    assert names(folder="/a") == {"dog.mp4", "cat.mp4"}
    assert names(folder="/a/b") == {"cat.mp4"}
    cat = find_stored(stocked.store, "/a/b/cat.mp4").id
    assert names(ids=[cat]) == names(ids=cat) == {"cat.mp4"}
    assert names(folder="/c", ids=[cat]) == set()


def test_a_range_counts_as_if_there_were_nothing_else(stocked: Shelf) -> None:
    result = search(stocked.store, stocked.query, window_s=None, between=(7.0, 10.0), limit=1)
    assert spans(result) == [("dog.mp4", 8.0, 9.0, 0.6)]
    assert result.found[0].best_s == 8.0
    result = search(stocked.store, stocked.query, window_s=None, between=(3.5, 4.0), limit=1)
    assert spans(result)[0][:3] == ("dog.mp4", 3.5, 4.5)  # a lone frame is given a second


def test_no_good_match_is_said_with_the_best_score(stocked: Shelf) -> None:
    result = search(stocked.store, stocked.query, window_s=None, min_score=0.95)
    assert (result.found, result.is_good, result.min_score) == ((), False, 0.95)
    assert result.best_score == pytest.approx(0.9)
    result = search(stocked.store, stocked.query, window_s=None, min_score=0.55)
    assert [round(each.score, 4) for each in result.found] == [0.9, 0.6]


def test_nothing_to_search_has_no_best_score(stocked: Shelf, shelf: Shelf) -> None:
    result = search(stocked.store, stocked.query, folder="/nowhere")
    assert (result.found, result.best_score, result.is_good) == ((), None, None)
    stocked.store.remove([video.id for video in stocked.store.videos()])
    assert search(stocked.store, stocked.query).best_score is None


def test_one_long_video_does_not_use_up_the_nearest_frames(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add("/long.mp4", [0.9] * 300)
    for number in range(5):
        shelf.add(f"/good{number}.mp4", [0.1] * 6 + [0.85] * 6 + [0.1] * 6)
    asked: list[int] = []
    real = Reader.nearest_each

    def nearest_each(self: Reader, queries: Any, *, limit: int, **named: Any) -> Any:
        asked.append(limit)
        return real(self, queries, limit=limit, **named)

    monkeypatch.setattr(Reader, "nearest_each", nearest_each)
    result = search(shelf.store, shelf.query, limit=10)
    assert result.found[0].name == "long.mp4"
    assert {each.name for each in result.found[1:]} == {f"good{number}.mp4" for number in range(5)}
    assert asked == [160, 1280]
    asked.clear()
    assert len(search(shelf.store, shelf.query, limit=1).found) == 1
    assert asked == [16]  # nothing can beat the first


def test_a_video_not_seen_at_first_beats_a_moment_that_fills_the_ranks(shelf: Shelf) -> None:
    # the first video's frames are nearest, but apart from its best moment smoothing makes little of them
    shelf.add("/jumpy.mp4", [0.9] * 20 + [-0.9] * 10 + [0.8, 0.8, -0.5, -0.5] * 20)
    shelf.add("/calm.mp4", [0.7] * 20)
    result = search(shelf.store, shelf.query, limit=2)
    assert [each.name for each in result.found] == ["jumpy.mp4", "calm.mp4"]


def test_a_frame_that_smoothing_hides_still_stands_for_its_video(shelf: Shelf) -> None:
    # the one high frame lies in the lowest stretch: no moment holds it
    shelf.add("/spike.mp4", [0.3] * 12 + [-0.9, -0.9, -0.9, 0.4, -0.9, -0.9, -0.9] + [0.3] * 12)
    shelf.add("/other.mp4", [0.35] * 60)
    other, found = search(shelf.store, shelf.query, limit=2, window_s=2.0).found
    assert (other.name, found.name) == ("other.mp4", "spike.mp4")
    assert (found.start_s, found.end_s) == (0.0, 5.0)
    assert found.score == pytest.approx(0.3)


def test_videos_that_cannot_reach_the_ranks_are_not_looked_into(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        shelf.add(f"/{number:02d}.mp4", [0.95 - number / 20] * 5)
    looked: list[str] = []
    real = Reader.scores

    def scores(self: Reader, video_ids: list[str], query: Any) -> Any:
        looked.extend(video_ids)
        return real(self, video_ids, query)

    monkeypatch.setattr(Reader, "scores", scores)
    result = search(shelf.store, shelf.query, limit=3)
    assert [each.name for each in result.found] == ["00.mp4", "01.mp4", "02.mp4"]
    assert len(looked) == 3


def test_the_ranks_are_those_of_looking_into_everything(shelf: Shelf) -> None:
    generator = np.random.default_rng(0)
    curves = {f"/{number:02d}.mp4": generator.uniform(-0.2, 0.9, 30).tolist() for number in range(25)}
    for path, cosines in curves.items():
        shelf.add(path, cosines)
    result = search(shelf.store, shelf.query, limit=5, per_video=1)
    times = np.arange(30) / 2
    scores = {
        path: ground(np.float32(values), times, window_s=2.0).moments[0] for path, values in curves.items()
    }
    expected = sorted(scores, key=lambda path: -scores[path].score)[:5]
    assert [each.path for each in result.found] == expected


def test_a_video_removed_in_the_middle_is_left_out(stocked: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    dog, real = find_stored(stocked.store, "/a/dog.mp4").id, Cache.each
    asked: list[int] = []

    def each(self: Cache, counts: dict[str, int]) -> Iterator[tuple[str, Matrix]]:
        asked.append(len(counts))
        if len(asked) == 1:
            stocked.store.remove([dog])
            raise BehindError("rows are gone")
        return real(self, counts)

    monkeypatch.setattr(Cache, "each", each)
    names = {each.name for each in search(stocked.store, stocked.query).found}
    assert names == {"cat.mp4", "dull.mp4"}
    assert asked == [3, 2]


def test_trouble_while_reading_videos_is_not_hidden(stocked: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def each(self: Cache, counts: dict[str, int]) -> Iterator[tuple[str, Matrix]]:
        raise BehindError("rows are gone")

    monkeypatch.setattr(Cache, "each", each)
    with pytest.raises(StoreError, match="is damaged, or changes faster than it can be read: rows are gone"):
        search(stocked.store, stocked.query)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0}, "limit must be 1 or more, received 0"),
        ({"per_video": 0}, "per_video must be 1 or more, or None for any number, received 0"),
        ({"min_score": 2.0}, "min_score must be a cosine, -1 to 1, or None, received 2.0"),
        ({"min_score": float("nan")}, "min_score must be a cosine"),
        ({"window_s": -1.0}, "window_s must be a finite number of seconds above 0"),
        ({"between": (2.0, 1.0)}, "between must be"),
    ],
)
def test_settings_out_of_range_are_refused(stocked: Shelf, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        search(stocked.store, stocked.query, **settings)


def test_a_query_that_does_not_fit_is_refused(stocked: Shelf) -> None:
    with pytest.raises(StoreError, match=r"expected a query of shape \[4\], received \[3\]"):
        search(stocked.store, np.ones(3, np.float32))


def test_several_queries_at_once_are_answered_as_one_by_one(stocked: Shelf) -> None:
    queries = [stocked.query, np.eye(4, dtype=np.float32)[1], np.full(4, 0.5, np.float32)]
    for settings in (
        {},
        {"folder": "/a"},
        {"between": (2.0, 4.0)},
        {"limit": 2, "per_video": 1},
        {"limit": 1},
        {"min_score": 0.55},
    ):
        together = search_each(stocked.store, queries, **settings)
        assert together == [search(stocked.store, query, **settings) for query in queries]
    assert search_each(stocked.store, queries, ids=[])[0].best_score is None
