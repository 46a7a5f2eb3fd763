"""The index finds nearly what exact search finds, lets no leftover through, and is chosen where it pays."""

from pathlib import Path

import numpy as np
import pytest
from tests.store.conftest import FINGERPRINT, D, Shelf, brute_force, frames, unit

from vidskim.errors import SettingsError, StoreError
from vidskim.store import nearest
from vidskim.store.dataset import Store
from vidskim.store.nearest import Index, choose, find_index
from vidskim.store.schema import frame_rows

QUERY = unit(1, seed=99)[0]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Twelve videos in two folders, all in the index."""
    shelf = Shelf(
        Store.create(tmp_path_factory.mktemp("indexed") / "store", fingerprint=FINGERPRINT, dimensions=D)
    )
    for number in range(12):
        shelf.add(f"/{'ab'[number % 2]}/{number}.mp4", 50, seed=number)
    shelf.store.build_index()
    return shelf


def truth_of(shelf: Shelf, limit: int, **filters: tuple[float, float]) -> list[tuple[str, int]]:
    return [row[1:] for row in brute_force(shelf.truth, QUERY, **filters)[:limit]]


def test_with_every_cell_probed_the_index_is_exact(indexed: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "PROBED", 1.0)
    hits = indexed.store.nearest(QUERY, limit=20, how="index")
    assert hits.how == "index"
    assert list(zip(hits.videos, hits.positions.tolist(), strict=True)) == truth_of(indexed, 20)
    exact = indexed.store.nearest(QUERY, limit=20, how="exact")
    assert np.allclose(hits.scores, exact.scores, atol=1e-6)
    assert hits.start_s.tolist() == exact.start_s.tolist()
    assert hits.end_s.tolist() == exact.end_s.tolist()


def test_filters_hold_in_the_index_too(indexed: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "PROBED", 1.0)
    asked = {"limit": 15, "folder": "/a", "between": (3.5, 9.0)}
    found, exact = (indexed.store.nearest(QUERY, **asked, how=how) for how in ("index", "exact"))
    assert (found.videos, found.positions.tolist()) == (exact.videos, exact.positions.tolist())
    assert set(found.start_s.tolist()) <= {3, 4, 5, 6, 7, 8}
    one = indexed.store.videos()[3].id
    assert set(indexed.store.nearest(QUERY, ids=[one], how="index").videos) == {one}


def test_leftovers_fill_no_places(indexed: Shelf, tmp_path: Path) -> None:
    shelf = Shelf(Store.create(tmp_path / "own", fingerprint=FINGERPRINT, dimensions=D))
    shelf.add("/v/a.mp4", 30, seed=0)
    shelf.store._tables.frames.add(frame_rows(frames(500, seed=0), entry="nobody's"))
    shelf.store.build_index()
    shelf.store._tables.frames.add(frame_rows(frames(500, seed=0), entry="nobody's either"))
    hits = Store.open(shelf.store.uri).nearest(
        shelf.truth[shelf.store.videos()[0].id].vectors[7], how="index"
    )
    assert len(hits) == 10
    assert set(hits.videos) == set(shelf.truth)
    assert hits.positions[0] == 7


def test_what_came_after_the_index_is_found(tmp_path: Path) -> None:
    shelf = Shelf(Store.create(tmp_path / "own", fingerprint=FINGERPRINT, dimensions=D))
    shelf.add("/v/a.mp4", 100, seed=0)
    shelf.store.build_index()
    late = shelf.add("/v/b.mp4", 5, seed=1)
    assert find_index(shelf.store._tables.frames) == Index(rows=100, beside=5)
    assert shelf.store.nearest(shelf.truth[late.id].vectors[2], limit=1, how="index").videos == (late.id,)
    shelf.store.remove([late.id])
    assert late.id not in shelf.store.nearest(shelf.truth[late.id].vectors[2], limit=105, how="index").videos


@pytest.mark.parametrize(
    ("how", "rows", "index", "expected"),
    [
        ("auto", 10, None, "exact"),
        ("auto", 10**7, None, "exact"),
        ("auto", 200_000, Index(200_000, 0), "exact"),
        ("auto", 200_001, Index(200_001, 0), "index"),
        ("auto", 300_000, Index(300_000, 20_000), "index"),
        ("auto", 300_000, Index(280_000, 20_001), "exact"),
        ("exact", 10**7, Index(10**7, 0), "exact"),
        ("index", 10, Index(10, 0), "index"),
    ],
)
def test_the_index_answers_where_it_pays(how: str, rows: int, index: Index | None, expected: str) -> None:
    assert choose(how, rows=rows, index=index) == expected


def test_impossible_requests_are_refused(shelf: Shelf) -> None:
    with pytest.raises(StoreError, match=r"the store has no index; store.build_index\(\) makes one"):
        shelf.store.nearest(QUERY, how="index")
    with pytest.raises(SettingsError, match="unknown search 'fast'; allowed: auto, exact, index"):
        shelf.store.nearest(QUERY, how="fast")
    with pytest.raises(StoreError, match="there is nothing to index: the store holds no frames"):
        shelf.store.build_index()
    with pytest.raises(SettingsError, match="limit must be 1 or more, received 0"):
        shelf.store.nearest(QUERY, limit=0)
    for between in ((2.0, 1.0), (1.0, 1.0), (float("nan"), 2.0)):
        with pytest.raises(SettingsError, match="between must be"):
            shelf.store.nearest(QUERY, between=between)
