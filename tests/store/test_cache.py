"""The cache is completed or left aside when it is behind the store, and never believed."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.store.conftest import FINGERPRINT, D, Shelf

from vidskim.store import cache
from vidskim.store.cache import FILE
from vidskim.store.dataset import Store


@pytest.fixture(autouse=True)
def _small_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "TAIL_ROWS", 10)


def reopened(shelf: Shelf) -> Store:
    return Store.open(shelf.store.uri)


def file_of(shelf: Shelf) -> Path:
    return Path(shelf.store.uri) / ".cache" / FILE


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of entries of each reading of the table."""
    seen: list[int] = []
    original = cache.fetch

    def counted(frames: object, matrix: object, entries: list[str]) -> None:
        seen.append(len(entries))
        original(frames, matrix, entries)

    monkeypatch.setattr(cache, "fetch", counted)
    return seen


def search(store: Store) -> None:
    store.nearest(np.eye(D, dtype=np.float32)[0])


def test_few_vectors_need_no_file(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 10, seed=0)
    shelf.check()
    assert not file_of(shelf).exists()


def test_many_vectors_are_kept_in_a_file_that_the_next_process_uses(shelf: Shelf, reads: list[int]) -> None:
    for number in range(3):
        shelf.add(f"/v/{number}.mp4", 5, seed=number)
    search(shelf.store)
    assert file_of(shelf).exists()
    reads.clear()
    reader = reopened(shelf)
    search(reader)
    shelf.check(reader)
    assert sum(reads) == 0


def scored(shelf: Shelf, reader: Store) -> dict[str, list[float]]:
    """Of all videos, checked against the truth."""
    query = np.eye(D, dtype=np.float32)[0]
    curves = reader.scores(list(shelf.truth), query)
    assert curves.keys() == shelf.truth.keys()
    for video, each in shelf.truth.items():
        assert np.allclose(curves[video].scores, each.vectors @ query, atol=1e-6)
        assert curves[video].start_s.tolist() == each.start_s.tolist()
    return {video: curve.scores.tolist() for video, curve in curves.items()}


def test_scores_are_read_some_videos_at_a_time_or_from_the_file_of_another(
    shelf: Shelf, reads: list[int]
) -> None:
    for number in range(5):
        shelf.add(f"/v/{number}.mp4", 4, seed=number)
    alone = scored(shelf, reopened(shelf))
    assert reads == [2, 2, 1]  # 10 rows at most at a time
    assert not file_of(shelf).exists()
    search(shelf.store)
    reads.clear()
    assert scored(shelf, reopened(shelf)) == alone
    assert reads == []


def test_scores_before_a_search_do_not_double_what_is_held(shelf: Shelf) -> None:
    """One process holds a small store in memory; another one makes the file of the grown store."""
    shelf.add("/v/a.mp4", 8, seed=0)
    reader = reopened(shelf)
    search(reader)
    shelf.add("/v/b.mp4", 8, seed=1)
    search(reopened(shelf))
    assert file_of(shelf).exists()
    scored(shelf, reader)
    shelf.check(reader)


def test_what_came_since_is_added_in_memory(shelf: Shelf, reads: list[int]) -> None:
    shelf.add("/v/a.mp4", 11, seed=0)
    reader = reopened(shelf)
    search(reader)
    before = file_of(shelf).read_bytes()
    shelf.add("/v/b.mp4", 4, seed=1)
    shelf.add("/v/c.mp4", 4, seed=2)
    reads.clear()
    shelf.check(reader)
    assert sum(reads) == 2
    assert file_of(shelf).read_bytes() == before
    shelf.add("/v/d.mp4", 4, seed=3)  # more than 10 rows beside the file
    shelf.check(reader)
    assert file_of(shelf).read_bytes() != before
    shelf.check(reopened(shelf))


def test_a_file_from_before_a_removal_does_not_bring_back_the_dead(shelf: Shelf) -> None:
    dead = shelf.add("/v/a.mp4", 11, seed=0)
    shelf.add("/v/b.mp4", 3, seed=1)
    search(shelf.store)
    shelf.store.remove([dead.id])
    vectors = shelf.truth.pop(dead.id).vectors
    for store in (shelf.store, reopened(shelf)):
        shelf.check(store)
        assert dead.id not in store.nearest(vectors[0], limit=100).videos


def test_a_file_from_before_an_indexing_does_not_answer_for_it(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 11, seed=0)
    search(shelf.store)
    shelf.add("/v/a.mp4", 9, seed=1)  # the same path: replaced
    for store in (shelf.store, reopened(shelf)):
        shelf.check(store)


def test_a_file_full_of_the_dead_is_written_anew(shelf: Shelf) -> None:
    dead = [shelf.add(f"/v/{number}.mp4", 10, seed=number) for number in range(4)]
    shelf.add("/v/x.mp4", 5, seed=9)
    search(shelf.store)
    before = file_of(shelf).stat().st_size
    shelf.store.remove([video.id for video in dead])
    for video in dead:
        del shelf.truth[video.id]
    reader = reopened(shelf)
    shelf.add("/v/y.mp4", 1, seed=10)
    shelf.check(reader)
    assert file_of(shelf).stat().st_size < before / 2


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[::-1]])
def test_a_broken_file_is_made_again(shelf: Shelf, damage: Callable[[bytes], bytes]) -> None:
    shelf.add("/v/a.mp4", 12, seed=0)
    search(shelf.store)
    whole = file_of(shelf).read_bytes()
    file_of(shelf).write_bytes(damage(whole))
    shelf.check(reopened(shelf))
    assert len(file_of(shelf).read_bytes()) == len(whole)


def test_the_file_of_a_store_made_anew_in_the_same_place_is_left_aside(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 12, seed=0)
    search(shelf.store)
    anew = Shelf(Store.create(shelf.store.uri, fingerprint=FINGERPRINT, dimensions=D, overwrite=True))
    anew.add("/v/a.mp4", 12, seed=5)
    anew.check()


def test_a_store_that_cannot_be_written_is_cached_with_the_user(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    original, inside = cache.locked, str(file_of(shelf).parent)

    def locked(folder: Path, *, wait_s: float) -> object:
        if str(folder) == inside:
            raise PermissionError("read-only")
        return original(folder, wait_s=wait_s)

    monkeypatch.setattr(cache, "locked", locked)
    shelf.add("/v/a.mp4", 12, seed=0)
    with caplog.at_level(logging.WARNING):
        shelf.check()
    assert f"no cache in {inside}: read-only" in caplog.text
    assert len(list((tmp_path / "user-cache").rglob(FILE))) == 1


def test_where_no_file_can_be_written_memory_does(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(folder: Path, *, wait_s: float) -> object:
        raise OSError("no space left on device")

    monkeypatch.setattr(cache, "locked", locked)
    shelf.add("/v/a.mp4", 12, seed=0)
    shelf.check()
    assert not os.path.exists(file_of(shelf))
