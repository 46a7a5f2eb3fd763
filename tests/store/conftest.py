"""A small store and what it should hold, kept beside it as plain arrays."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity
from vidskim.store.records import Frames, StoredVideo, VideoRecord

D = 8
FINGERPRINT = Fingerprint("vit", "0" * 64, {"size": 32}, "full")
OTHER = Fingerprint("vit", "0" * 64, {"size": 32}, "reuse", {"keep": 0.15})


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


def put(store: Store, path: str, held: Frames, *, content: str = "") -> StoredVideo:
    """Add frames under a path."""
    return store.add(
        record(path, content=content),
        vectors=held.vectors,
        start_s=held.start_s,
        end_s=held.end_s,
        kinds=held.kinds,
        fingerprint=FINGERPRINT,
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


@pytest.fixture(autouse=True)
def _no_user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty store."""
    return Shelf(Store.create(tmp_path / "store", fingerprint=FINGERPRINT, dimensions=D))
