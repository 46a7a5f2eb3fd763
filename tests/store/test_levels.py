"""Vectors of segments and whole videos beside frames: made, refused, removed, moved, compacted, searched."""

import dataclasses
from pathlib import Path

import lancedb
import numpy as np
import pytest
from tests.store.conftest import (
    FINGERPRINT,
    LEVELS_D,
    RETRIEVAL,
    D,
    Shelf,
    frames,
    levels_of,
    put,
    record,
    unit,
)

from vidskim.errors import FingerprintError, SettingsError, StoreError
from vidskim.store import cache, upkeep
from vidskim.store.dataset import Store
from vidskim.store.levels import Levels

OTHER_PLAN = dataclasses.replace(RETRIEVAL, settings={"segment_s": 8.0})


def levels_in(store: Store) -> Levels:
    assert store.levels is not None
    return store.levels


def test_they_lie_beside_the_frames_of_each_video(tall: Shelf) -> None:
    tall.add("/v/a.mp4", 9, seed=0)
    video = tall.add("/v/b.mp4", 4, seed=1)
    assert video.segments == 1
    tall.check()
    tall.check(Store.open(tall.store.uri))
    assert levels_in(tall.store).about.fingerprint == RETRIEVAL
    assert levels_in(tall.store).about.dimensions == LEVELS_D != tall.store.about.dimensions


def test_replacing_removing_and_moving_a_video_take_them_along(tall: Shelf) -> None:
    for number in range(4):
        tall.add(f"/v/{number}.mp4", 6 + number, seed=number)
    tall.add("/v/1.mp4", 13, seed=20)
    gone = tall.add("/v/2.mp4", 3, seed=21)
    tall.store.remove([gone.id])
    del tall.truth[gone.id]
    moved = tall.store.videos(folder="/v/3.mp4")[0]
    assert tall.store.move(moved.id, "/w/3.mp4").segments == moved.segments
    for store in (tall.store, Store.open(tall.store.uri)):
        tall.check(store)
    assert tall.store._tables.levels is not None
    assert tall.store._tables.levels.wholes.count_rows() == 3


def test_compacting_and_joining_keep_them(tall: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "FRAGMENTS", 5)
    for number in range(12):
        tall.add(f"/v/{number}.mp4", 9, seed=number)
    tables = tall.store._tables.levels
    assert tables is not None
    assert (
        max(table.stats()["fragment_stats"]["num_fragments"] for table in (tables.segments, tables.wholes))
        < 5
    )
    first = min(tall.truth)
    tall.store.remove([first])
    del tall.truth[first]
    assert tall.store.compact().bytes_after < tall.store.bytes_on_disk() + 1
    assert tables.segments.stats()["fragment_stats"]["num_fragments"] == 1
    tall.check()
    tall.check(Store.open(tall.store.uri))


def test_a_reader_sees_them_come(shelf: Shelf) -> None:
    reader = Store.open(shelf.store.uri)
    shelf.add("/v/a.mp4", 5, seed=0)
    assert reader.levels is None
    assert reader.video(next(iter(shelf.truth))).segments is None
    shelf.store.keep_levels(fingerprint=RETRIEVAL, dimensions=LEVELS_D)
    assert levels_in(shelf.store).lacking() == list(shelf.truth)
    assert levels_in(shelf.store).of(next(iter(shelf.truth))) is None
    shelf.add("/v/a.mp4", 6, seed=1)
    shelf.check(reader)
    assert levels_in(reader).lacking() == []


def test_keeping_the_same_again_changes_nothing(tall: Shelf) -> None:
    tall.add("/v/a.mp4", 5, seed=0)
    made = levels_in(tall.store).about
    Store.open(tall.store.uri).keep_levels(fingerprint=RETRIEVAL, dimensions=LEVELS_D)
    tall.check()
    assert levels_in(tall.store).about == made


def test_vectors_of_another_adapter_are_refused_and_replaced_only_on_request(tall: Shelf) -> None:
    tall.add("/v/a.mp4", 5, seed=0)
    message = (
        r"(?s)of another retrieval model, adapter or plan:\n  settings.segment_s: 4.0 -> 8.0\n.*--reindex"
    )
    with pytest.raises(FingerprintError, match=message):
        tall.store.keep_levels(fingerprint=OTHER_PLAN, dimensions=LEVELS_D)
    held = frames(5, seed=1)
    levels = dataclasses.replace(levels_of(held), fingerprint=OTHER_PLAN)
    with pytest.raises(FingerprintError, match=r"segment_s: 4\.0 -> 8\.0"):
        add(tall.store, "/v/b.mp4", levels=levels)
    tall.check()
    reader = Store.open(tall.store.uri)
    assert levels_in(reader).count() == (1, 2)
    tall.store.keep_levels(fingerprint=OTHER_PLAN, dimensions=D, overwrite=True)
    assert levels_in(tall.store).count() == (0, 0)
    assert levels_in(tall.store).lacking() == list(tall.truth)
    wide = dataclasses.replace(levels, segments=unit(2, seed=3), whole=unit(1, seed=4)[0])
    video = add(tall.store, "/v/b.mp4", levels=wide)
    for store in (tall.store, reader, Store.open(tall.store.uri)):
        assert levels_in(store).count() == (1, 2)
        assert levels_in(store).nearest(wide.whole, level="video").videos == (video,)
        assert store.count().videos == 2


def add(store: Store, path: str, *, levels: object) -> str:
    held = frames(5, seed=1)
    times = {"start_s": held.start_s, "end_s": held.end_s, "kinds": held.kinds}
    return store.add(
        record(path),
        vectors=held.vectors,
        fingerprint=FINGERPRINT,
        levels=levels,
        **times,  # type: ignore[arg-type]
    ).id


def test_a_kill_while_they_are_made_anew_leaves_a_store_that_says_it_has_none(
    tall: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tall.add("/v/a.mp4", 5, seed=0)

    class Killed(BaseException):
        pass

    def drop(name: str) -> None:
        raise Killed(name)

    monkeypatch.setattr(tall.store._tables._database, "drop_table", drop)
    with pytest.raises(Killed):
        tall.store.keep_levels(fingerprint=OTHER_PLAN, dimensions=LEVELS_D, overwrite=True)
    store = Store.open(tall.store.uri)
    assert store.video(video.id).segments is None
    assert levels_in(store).lacking() == [video.id]
    store.keep_levels(fingerprint=OTHER_PLAN, dimensions=LEVELS_D, overwrite=True)
    assert levels_in(store).about.fingerprint == OTHER_PLAN
    assert store._tables.levels is not None
    assert store._tables.levels.segments.count_rows() == 0


def test_a_store_made_before_there_were_any_opens_and_can_keep_them(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 5, seed=0)
    lancedb.connect(shelf.store.uri).open_table("videos").drop_columns(["segments"])
    old = Store.open(shelf.store.uri)
    assert old.levels is None
    shelf.store = old
    shelf.add("/v/b.mp4", 3, seed=1)
    shelf.check(old)
    old.keep_levels(fingerprint=RETRIEVAL, dimensions=LEVELS_D)
    assert len(levels_in(old).lacking()) == 2
    shelf.add("/v/a.mp4", 6, seed=2)
    shelf.add("/v/b.mp4", 7, seed=3)
    for store in (old, Store.open(shelf.store.uri)):
        shelf.check(store)


def test_a_store_made_anew_keeps_none(tall: Shelf) -> None:
    tall.add("/v/a.mp4", 5, seed=0)
    made = Store.create(tall.store.uri, fingerprint=FINGERPRINT, dimensions=D, overwrite=True)
    assert made.levels is None
    assert put(made, "/v/a.mp4", frames(3, seed=0)).segments is None


def test_filters_leave_videos_and_segments_out(tall: Shelf) -> None:
    a, b = (tall.add(f"/v/{name}/x.mp4", 12, seed=number) for number, name in enumerate("ab"))
    levels, query = levels_in(tall.store), unit(1, seed=9, dimensions=LEVELS_D)[0]
    assert len(levels.nearest(query, level="segment")) == 6
    assert set(levels.nearest(query, level="segment", ids=[a.id]).videos) == {a.id}
    assert levels.nearest(query, level="video", folder="/v/b").videos == (b.id,)
    inside = levels.nearest(query, level="segment", between=(5.0, 8.0))
    assert inside.start_s.tolist() == [4.0, 4.0]
    assert inside.how == "exact"


def test_a_file_of_them_is_kept_apart_from_that_of_frames(
    tall: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "TAIL_ROWS", 2)
    for number in range(3):
        tall.add(f"/v/{number}.mp4", 8, seed=number)
    tall.check()
    files = {file.name for file in (Path(tall.store.uri) / ".cache").iterdir()}
    assert {"vectors.safetensors", "segments.safetensors", "wholes.safetensors"} <= files
    tall.check(Store.open(tall.store.uri))


def test_bad_vectors_and_questions_are_refused(tall: Shelf, shelf: Shelf) -> None:
    tall.add("/v/a.mp4", 5, seed=0)
    levels = levels_of(frames(5, seed=1))
    for wrong, message in (
        (dataclasses.replace(levels, segments=levels.segments * 2), r"b.mp4, segments: .* has length 2"),
        (dataclasses.replace(levels, whole=levels.whole * np.nan), r"b.mp4, the whole video: .* NaN"),
    ):
        with pytest.raises(StoreError, match=message):
            add(tall.store, "/v/b.mp4", levels=wrong)
    tall.check()
    query = unit(1, seed=9)[0]
    with pytest.raises(StoreError, match=r"expected a query of shape \[6\], received \[8\]"):
        levels_in(tall.store).nearest(query, level="video")
    with pytest.raises(SettingsError, match="level"):
        levels_in(tall.store).nearest(query, level="frame")  # type: ignore[arg-type]


def test_a_store_without_them_says_what_makes_them(shelf: Shelf) -> None:
    with pytest.raises(StoreError, match=r"holds no vectors of segments .* --retrieval MODEL` makes them"):
        add(shelf.store, "/v/a.mp4", levels=levels_of(frames(5, seed=1)))
    assert shelf.store.count().videos == 0


def test_the_best_segment_of_each_of_some_videos(tall: Shelf) -> None:
    ids = [tall.add(f"/v/{number}.mp4", 13 + number, seed=number).id for number in range(4)]
    reader, query = levels_in(Store.open(tall.store.uri)), unit(1, seed=9, dimensions=LEVELS_D)[0]
    found = reader.best_segments(query, [ids[3], ids[0], "nobody", ids[2]])
    assert list(found) == [ids[3], ids[0], ids[2]]
    for video, best in found.items():
        alone = reader.nearest(query, level="segment", limit=1, ids=video)
        assert best.videos == alone.videos == (video,)
        assert (best.positions, best.start_s, best.scores) == (alone.positions, alone.start_s, alone.scores)
    with pytest.raises(StoreError):
        reader.best_segments(query[:-1], ids)
