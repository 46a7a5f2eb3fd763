"""A small store and what it should hold, kept beside it as plain arrays."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity
from vidskim.store.levels import Levels
from vidskim.store.records import Frames, LevelVectors, StoredVideo, VideoRecord

D, LEVELS_D = 8, 6
FINGERPRINT = Fingerprint("vit", "0" * 64, {"size": 32}, "full")
OTHER = Fingerprint("vit", "0" * 64, {"size": 32}, "reuse", {"keep": 0.15})
RETRIEVAL = Fingerprint("vit", "1" * 64, {"size": 32}, "tempme", {"segment_s": 4.0})


def unit(count: int, *, seed: int, dimensions: int = D) -> NDArray[np.float32]:
    """Random vectors of unit length, [count, dimensions]."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def record(path: str = "/videos/a.mp4", *, content: str = "") -> VideoRecord:
    """A video whose content is named; by default after its path."""
    identity = Identity(size=1000, mtime_ns=1, head_tail_hash=content or path)
    return VideoRecord(path=path, identity=identity, duration_s=10.0, fps=1.0)


def frames(count: int, *, seed: int) -> Frames:
    """Frames of one second each, every second one a P-frame."""
    starts = np.arange(count, dtype=np.float64)
    kinds = np.array(["I", "P"])[np.arange(count) % 2]
    return Frames(unit(count, seed=seed), starts, starts + 1, kinds)


def levels_of(held: Frames) -> LevelVectors:
    """Vectors of segments of four frames and of the whole, which follow from the first frame's."""
    starts, seed = held.start_s[::4], int(abs(held.vectors[0, 0]) * 1e6)
    vectors = unit(len(starts) + 1, seed=seed, dimensions=LEVELS_D)
    return LevelVectors(vectors[1:], starts, np.append(starts[1:], held.end_s[-1]), vectors[0], RETRIEVAL)


def put(store: Store, path: str, held: Frames, *, content: str = "") -> StoredVideo:
    """Add frames under a path, with vectors of segments if the store keeps them."""
    return store.add(
        record(path, content=content),
        vectors=held.vectors,
        start_s=held.start_s,
        end_s=held.end_s,
        kinds=held.kinds,
        fingerprint=FINGERPRINT,
        levels=None if store.levels is None else levels_of(held),
    )


def brute_force(
    truth: dict[str, Frames], query: NDArray[np.float32], *, between: tuple[float, float] | None = None
) -> list[tuple[float, str, int]]:
    """(score, video, position) of all frames that may answer, best first, in float64."""
    rows = [
        (float(held.vectors[position].astype(np.float64) @ query.astype(np.float64)), video, position)
        for video, held in truth.items()
        for position in range(len(held))
        if between is None or (held.start_s[position] < between[1] and held.end_s[position] > between[0])
    ]
    return sorted(rows, key=lambda row: (-row[0], row[1], row[2]))


@dataclass
class Shelf:
    """A store and what it should hold, by video id."""

    store: Store
    truth: dict[str, Frames] = field(default_factory=dict)

    def add(self, path: str, count: int, *, seed: int, content: str = "") -> StoredVideo:
        """Add a video to both."""
        held = frames(count, seed=seed)
        video = put(self.store, path, held, content=content)
        self.truth[video.id] = held
        return video

    def check(self, store: Store | None = None) -> None:
        """The store holds exactly the truth, bit by bit, and finds each frame by itself."""
        store = store or self.store
        assert {video.id for video in store.videos()} == set(self.truth)
        assert store.count().frames == sum(map(len, self.truth.values()))
        for video, held in self.truth.items():
            got = store.frames(video)
            assert np.array_equal(got.vectors, held.vectors)
            assert np.array_equal(got.start_s, held.start_s)
            assert np.array_equal(got.end_s, held.end_s)
            assert got.kinds.tolist() == held.kinds.tolist()
            hits = store.nearest(held.vectors[-1], limit=3)
            expected = brute_force(self.truth, held.vectors[-1])[:3]
            assert list(zip(hits.videos, hits.positions.tolist(), strict=True)) == [
                row[1:] for row in expected
            ]
        if store.levels is not None:
            self.check_levels(store.levels)

    def check_levels(self, levels: Levels) -> None:
        """The same of the vectors of segments and whole videos."""
        expected = {video: levels_of(held) for video, held in self.truth.items()}
        assert levels.count() == (len(expected), sum(map(len, expected.values())))
        for video, wanted in expected.items():
            got = levels.of(video)
            assert got is not None
            assert np.array_equal(got.segments, wanted.segments)
            assert np.array_equal(got.start_s, wanted.start_s)
            assert np.array_equal(got.end_s, wanted.end_s)
            assert np.array_equal(got.whole, wanted.whole)
            assert got.fingerprint == RETRIEVAL
            assert levels.nearest(wanted.whole, level="video", limit=1).videos == (video,)
            hits = levels.nearest(wanted.segments[-1], level="segment", limit=1)
            assert (hits.videos, hits.positions.tolist()) == ((video,), [len(wanted) - 1])


@pytest.fixture(autouse=True)
def _no_user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty store."""
    return Shelf(Store.create(tmp_path / "store", fingerprint=FINGERPRINT, dimensions=D))


@pytest.fixture
def tall(shelf: Shelf) -> Shelf:
    """An empty store that keeps vectors of segments and whole videos."""
    shelf.store.keep_levels(fingerprint=RETRIEVAL, dimensions=LEVELS_D)
    return shelf
