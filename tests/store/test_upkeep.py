"""Leftovers go, fragments stay few, old versions do not pile up, answers stay the same."""

from pathlib import Path

import pytest
from tests.store.conftest import Shelf, frames

from vidskim.store import upkeep
from vidskim.store.dataset import Store
from vidskim.store.nearest import Index, find_index
from vidskim.store.schema import frame_rows


def fragments(store: Store) -> int:
    store.refresh()
    return int(store._tables.frames.stats()["fragment_stats"]["num_fragments"])


def leave_behind(shelf: Shelf, count: int) -> None:
    shelf.store._tables.frames.add(frame_rows(frames(count, seed=77), entry="killed"))


def test_leftovers_are_swept_by_the_next_writer(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 3, seed=0)
    leave_behind(shelf, 5)
    shelf.check()
    shelf.store = Store.open(shelf.store.uri)
    shelf.check()
    assert shelf.store._tables.frames.count_rows() == 8
    shelf.add("/v/b.mp4", 2, seed=1)
    assert shelf.store._tables.frames.count_rows() == 5
    shelf.check()


def test_a_failed_add_is_swept_by_the_next(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.add("/v/a.mp4", 3, seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_put", lambda self, video: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            shelf.add("/v/a.mp4", 4, seed=1)
    shelf.check()
    shelf.add("/v/b.mp4", 2, seed=2)
    assert shelf.store._tables.frames.count_rows() == 5


def test_many_appends_stay_few_fragments(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "FRAGMENTS", 5)
    most = 0
    for number in range(14):
        shelf.add(f"/v/{number}.mp4", 2, seed=number)
        most = max(most, fragments(shelf.store))
    assert most == 4
    shelf.check()
    shelf.check(Store.open(shelf.store.uri))


def test_large_fragments_are_not_rewritten(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "FRAGMENTS", 4)
    monkeypatch.setattr(upkeep, "SMALL_ROWS", 10)
    shelf.add("/v/large.mp4", 20, seed=0)
    data = Path(shelf.store.uri) / "frames.lance" / "data"
    (large,) = data.iterdir()
    for number in range(12):
        shelf.add(f"/v/{number}.mp4", 2, seed=number)
    shelf.store._tables.refresh()
    kept = {fragment.fragment_id for fragment in shelf.store._tables.frames.to_lance().get_fragments()}
    assert 0 in kept
    assert large.exists()
    shelf.check()


def test_compacting_keeps_answers_and_frees_room(shelf: Shelf) -> None:
    videos = [shelf.add(f"/v/{number}.mp4", 40, seed=number) for number in range(10)]
    shelf.store.remove([video.id for video in videos[:8]])
    for video in videos[:8]:
        del shelf.truth[video.id]
    reader = Store.open(shelf.store.uri)
    reader.count()
    leave_behind(shelf, 50)
    unfinished = Path(shelf.store.uri) / "frames.lance" / "data" / ("0" * 48 + ".lance")
    unfinished.write_bytes(bytes(1000))
    result = shelf.store.compact()
    assert result.bytes_before > 2 * result.bytes_after
    assert result.bytes_after == shelf.store.bytes_on_disk()
    assert fragments(shelf.store) == 1
    assert not unfinished.exists()
    for store in (shelf.store, reader, Store.open(shelf.store.uri)):
        shelf.check(store)
    again = shelf.store.compact()
    assert abs(again.bytes_after - again.bytes_before) < 10_000


def test_compacting_remakes_an_index_only_if_much_came_beside_it(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 200, seed=0)
    shelf.store.build_index()
    shelf.add("/v/b.mp4", 1, seed=1)
    shelf.store.compact()
    assert find_index(shelf.store._tables.frames) == Index(rows=200, beside=1)
    shelf.add("/v/c.mp4", 5, seed=2)
    shelf.store.compact()
    assert find_index(shelf.store._tables.frames) == Index(rows=206, beside=0)
    shelf.check()


def test_trouble_with_the_upkeep_loses_no_video(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("commit conflict")

    monkeypatch.setattr(upkeep, "tend", fail)
    shelf.add("/v/a.mp4", 3, seed=0)
    shelf.check()
    assert "upkeep was put off: commit conflict" in caplog.text
