"""A store whose frames are made by hand, each one so near to a query; and patches whose fates are made by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity
from vidskim.store.records import StoredVideo, Vectors, VideoRecord
from vidskim.tasks.patch_state import PatchState

FINGERPRINT = Fingerprint("vit", "0", {}, "full")


@dataclass
class Shelf:
    """A store and the one query that its videos were made for."""

    store: Store
    query: Vectors

    def add(self, path: str, cosines: Sequence[float], *, fps: float = 2.0) -> StoredVideo:
        """A video whose frames have these cosines with the query, `fps` of them a second."""
        near = np.asarray(cosines, np.float64)
        vectors = np.zeros((len(near), len(self.query)), np.float32)
        vectors[:, 0], vectors[:, 1] = near, np.sqrt(1 - near**2)
        starts = np.arange(len(near)) / fps
        return self.store.add(
            VideoRecord(path=path, identity=Identity(0, 0, path), duration_s=len(near) / fps, fps=fps),
            vectors=vectors,
            start_s=starts,
            end_s=starts + 1 / fps,
            kinds=["I"] * len(near),
            fingerprint=FINGERPRINT,
        )


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """An empty store."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    query = np.eye(4, dtype=np.float32)[0]
    return Shelf(Store.create(tmp_path / "store", fingerprint=FINGERPRINT, dimensions=4), query)


@pytest.fixture(scope="session")
def make_state() -> Callable[..., PatchState]:
    """See `_make_state`."""
    return _make_state


def _make_state(
    fates: Sequence[Sequence[int]], *, number: int = 0, kind: str = "P", **rest: Any
) -> PatchState:
    """A frame with these fates [gy, gx]; nothing is merged, what is reused leans on the I-frame before."""
    grid = np.array(fates, np.int8)
    slots, lean = np.full(grid.shape, -1), np.zeros(grid.shape, np.float32)
    usual = {"time_s": number / 2, "slots": slots, "lean": lean, "change": 0.0}
    return PatchState(number=number, kind=kind, fates=grid, **{**usual, **rest})
