"""Search by segments and whole videos, on vectors made by hand and on many drawn at random."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vidskim.errors import SettingsError, StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity
from vidskim.store.levels import Levels
from vidskim.store.records import LevelVectors, StoredVideo, VideoRecord
from vidskim.tasks.levels import LevelResult, search_segments, search_videos
from vidskim.tasks.search import search

FRAMES = Fingerprint("vit", "0", {}, "full")
RETRIEVAL = Fingerprint("vit", "1", {}, "tempme", {"segment_s": 4.0})
QUERY, FRAME_QUERY = np.eye(3, dtype=np.float32)[0], np.eye(4, dtype=np.float32)[0]
LOW = 0.1
# two frames a second; segments of four seconds
DOG = [LOW] * 6 + [0.7, 0.9, 0.8] + [LOW] * 7 + [0.6, 0.6] + [LOW] * 6
CAT = [LOW] * 4 + [0.5, 0.5] + [LOW] * 10


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    made = Store.create(tmp_path / "store", fingerprint=FRAMES, dimensions=4)
    made.keep_levels(fingerprint=RETRIEVAL, dimensions=3)
    return made


def near(cosines: Sequence[float], dimensions: int) -> NDArray[np.float32]:
    """Unit vectors with these cosines with the query."""
    vectors = np.zeros((len(cosines), dimensions), np.float32)
    vectors[:, 0] = cosines
    vectors[:, 1] = np.sqrt(1 - np.square(np.asarray(cosines, np.float64)))
    return vectors


def add(
    store: Store, path: str, cosines: Sequence[float], *, segments: Sequence[float] | None, whole: float = 0.0
) -> StoredVideo:
    starts = np.arange(len(cosines)) / 2
    levels = None
    if segments is not None:
        begins = 4.0 * np.arange(len(segments))
        ends = np.append(begins[1:], len(cosines) / 2)
        levels = LevelVectors(near(segments, 3), begins, ends, near([whole], 3)[0], RETRIEVAL)
    return store.add(
        VideoRecord(path=path, identity=Identity(0, 0, path), duration_s=len(cosines) / 2, fps=2.0),
        vectors=near(cosines, 4),
        start_s=starts,
        end_s=starts + 0.5,
        kinds=["I"] * len(cosines),
        fingerprint=FRAMES,
        levels=levels,
    )


def spans(result: LevelResult) -> list[tuple[str, float, float, float]]:
    return [(each.name, each.start_s, each.end_s, round(each.score, 4)) for each in result.found]


def test_whole_videos_are_ranked_by_their_own_vectors_with_their_best_segment(store: Store) -> None:
    add(store, "/a/dog.mp4", DOG, segments=[0.2, 0.6, 0.1], whole=0.3)
    add(store, "/b/cat.mp4", CAT, segments=[0.5, 0.1], whole=0.8)
    result = search_videos(store, QUERY)
    assert spans(result) == [("cat.mp4", 0.0, 4.0, 0.8), ("dog.mp4", 4.0, 8.0, 0.3)]
    assert (result.found[1].best_s, round(result.found[1].best_score, 4)) == (6.0, 0.6)
    assert list(result.took_ms) == ["videos", "segments"]
    assert min(result.took_ms.values()) > 0
    assert (result.without, result.how) == (0, "exact")
    assert spans(search_videos(store, QUERY, folder="/a")) == [("dog.mp4", 4.0, 8.0, 0.3)]
    assert [each.name for each in search_videos(store, QUERY, limit=1).found] == ["cat.mp4"]
    strict = search_videos(store, QUERY, min_score=0.9)
    assert (strict.is_good, round(strict.best_score or 0, 4)) == (False, 0.8)


def test_the_best_segments_of_all_videos_found_take_one_look(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        add(store, f"/v/{number}.mp4", CAT, segments=[0.1, number / 20], whole=number / 12)
    asked: list[str] = []
    nearest = Levels.nearest

    def counted(self: Levels, query: Any, *, level: Any, **settings: Any) -> Any:
        asked.append(level)
        return nearest(self, query, level=level, **settings)

    monkeypatch.setattr(Levels, "nearest", counted)
    found = search_videos(store, QUERY, limit=10).found
    assert [each.name for each in found] == [f"{number}.mp4" for number in range(11, 1, -1)]
    assert [round(each.best_score, 4) for each in found] == [
        max(0.1, number / 20) for number in range(11, 1, -1)
    ]
    assert asked == ["video"]


def test_moments_are_looked_for_inside_the_best_segments(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "/dog.mp4", DOG, segments=[0.2, 0.1, 0.7])  # the lesser moment is in its best segment
    add(store, "/cat.mp4", CAT, segments=[0.6, 0.1])
    every = search_segments(store, QUERY, FRAME_QUERY, window_s=None, limit=3)
    plain = search(store, FRAME_QUERY, window_s=None, limit=3)
    assert every.found == plain.found
    assert list(every.took_ms) == ["segments", "moments"]
    monkeypatch.setattr("vidskim.tasks.levels.SEGMENTS_PER_RESULT", 1)
    few = search_segments(store, QUERY, FRAME_QUERY, window_s=None, limit=2)
    assert spans(few) == [("dog.mp4", 8.0, 9.0, 0.6), ("cat.mp4", 2.0, 3.0, 0.5)]
    one = search_segments(store, QUERY, FRAME_QUERY, window_s=None, limit=2, between=(0, 3), per_video=1)
    assert [each.name for each in one.found] == ["cat.mp4", "dog.mp4"]


def test_more_segments_are_taken_where_the_best_hold_too_few_moments(store: Store) -> None:
    """One long video on the topic does not keep the others out."""
    add(store, "/long.mp4", [0.1, 0.9] * 240, segments=[0.9] * 60)
    for number in range(4):
        add(store, f"/{number}.mp4", [0.5 - number / 10] * 8, segments=[0.3])
    found = search_segments(store, QUERY, FRAME_QUERY, limit=3, per_video=1).found
    assert [each.name for each in found] == ["long.mp4", "0.mp4", "1.mp4"]
    every = search_segments(store, QUERY, FRAME_QUERY, limit=20, per_video=1)
    assert len(every.found) == 5
    assert min(every.took_ms.values()) > 0


def test_more_segments_are_looked_into_in_a_larger_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        add(store, f"/{number}.mp4", [0.2 + number / 10] * 8, segments=[0.9 - number / 10])
    monkeypatch.setattr("vidskim.tasks.levels.SEGMENTS_PER_RESULT", 1)
    assert search_segments(store, QUERY, FRAME_QUERY, limit=1).found[0].name == "0.mp4"
    monkeypatch.setattr("vidskim.tasks.levels.SEGMENTS_SHARE", 0.5)
    assert search_segments(store, QUERY, FRAME_QUERY, limit=1).found[0].name == "3.mp4"


def test_videos_without_such_vectors_are_counted(store: Store) -> None:
    add(store, "/dog.mp4", DOG, segments=None)
    add(store, "/cat.mp4", CAT, segments=[0.6, 0.1], whole=0.2)
    for result in (search_videos(store, QUERY), search_segments(store, QUERY, FRAME_QUERY)):
        assert result.without == 1
        assert {each.name for each in result.found} == {"cat.mp4"}


def test_a_planted_video_comes_first_at_both_levels_and_two_stages_find_what_one_finds(store: Store) -> None:
    """Segments whose cosine is the mean of their frames', as a retrieval model would have it."""
    generator = np.random.default_rng(0)
    for number in range(30):
        cosines = np.clip(np.repeat(generator.uniform(0, 0.5, 5), 8) + generator.normal(0, 0.02, 40), 0, 0.6)
        if number == 17:
            cosines[8:16] = 0.8
        means = cosines.reshape(5, 8).mean(axis=1)
        add(store, f"/v/{number}.mp4", cosines.tolist(), segments=means.tolist(), whole=float(means.max()))
    assert search_videos(store, QUERY, limit=3).found[0].name == "17.mp4"
    two = search_segments(store, QUERY, FRAME_QUERY, limit=10)
    one = search(store, FRAME_QUERY, limit=10)
    best = two.found[0]
    assert best.name == "17.mp4"
    assert best.start_s < 5 < 7 < best.end_s
    assert two.found == one.found


def test_what_cannot_be_answered_is_refused(store: Store, tmp_path: Path) -> None:
    add(store, "/cat.mp4", CAT, segments=[0.6, 0.1])
    with pytest.raises(SettingsError, match="limit must be 1 or more, received 0"):
        search_videos(store, QUERY, limit=0)
    with pytest.raises(StoreError, match=r"expected a query of shape \[3\]"):
        search_segments(store, FRAME_QUERY, FRAME_QUERY)
    bare: Any = Store.create(tmp_path / "bare", fingerprint=FRAMES, dimensions=4)
    for answer in (lambda: search_videos(bare, QUERY), lambda: search_segments(bare, QUERY, FRAME_QUERY)):
        with pytest.raises(
            StoreError, match=r"no vectors of segments .* `vidskim index .* --retrieval MODEL`"
        ):
            answer()
