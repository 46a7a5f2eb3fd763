"""One stored video, its vectors made by hand."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from vidskim.errors import StoreError
from vidskim.tasks.ground import ground
from vidskim.tasks.stored import find_stored, ground_stored


class Shelf(Protocol):
    store: Any
    query: Any

    def add(self, path: str, cosines: list[float], *, fps: float = 2.0) -> Any: ...


@pytest.fixture
def stocked(shelf: Shelf) -> Shelf:
    shelf.add("/a/dog.mp4", [0.1] * 6 + [0.7, 0.9, 0.8] + [0.1] * 7 + [0.6, 0.6] + [0.1] * 6)
    shelf.add("/a/b/cat.mp4", [0.1] * 4 + [0.5, 0.5] + [0.1] * 10)
    return shelf


def test_grounding_a_stored_video_by_id_and_by_path(stocked: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"window_s": 1.5, "factor": 0.9}
    dog = find_stored(stocked.store, "/a/dog.mp4").id
    curve = stocked.store.scores([dog], stocked.query)[dog]
    expected = ground(curve.scores, curve.start_s, **settings)
    monkeypatch.chdir("/")
    for name in ("/a/dog.mp4", Path("a/dog.mp4"), find_stored(stocked.store, "/a/dog.mp4").id):
        grounding = ground_stored(stocked.store, name, stocked.query, **settings)
        assert grounding.moments == expected.moments
        np.testing.assert_array_equal(grounding.signal, expected.signal)
    faithful = ground_stored(stocked.store, "/a/dog.mp4", stocked.query, window_frames=3, faithful=True)
    assert len(faithful.moments) == 5


@pytest.mark.parametrize("name", ["/a", "/a/none.mp4", "0123456789ab"])
def test_a_video_that_is_not_stored_is_named(stocked: Shelf, name: str) -> None:
    with pytest.raises(
        StoreError, match=f"holds no video with the path or id '{name}'; `vidskim store list`"
    ):
        ground_stored(stocked.store, name, stocked.query)
