"""Adding, replacing, removing, moving: all of a video or nothing, under an id that stays."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.conftest import FINGERPRINT, OTHER, D, Shelf, frames, put, record, unit

from vidskim.errors import FingerprintError, SettingsError, StoreError
from vidskim.store import cache, upkeep
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity


def test_what_was_added_comes_back(shelf: Shelf) -> None:
    video = shelf.add("/v/a.mp4", 5, seed=0)
    shelf.add("/v/sub/b.mp4", 1, seed=1)
    shelf.check()
    shelf.check(Store.open(shelf.store.uri))
    got = Store.open(shelf.store.uri).video(video.id)
    assert got == video
    assert (got.frames, got.fps, got.duration_s, got.name) == (5, 1.0, 10.0, "a.mp4")
    assert got.fingerprint == FINGERPRINT.digest
    assert shelf.store.count().videos == 2


def test_tensors_and_lists_do_as_well(shelf: Shelf) -> None:
    vectors = torch.from_numpy(unit(2, seed=0))
    video = shelf.store.add(
        record(), vectors=vectors, start_s=[0, 1], end_s=[1, 2], kinds=["I", "P"], fingerprint=FINGERPRINT
    )
    assert np.array_equal(shelf.store.frames(video.id).vectors, vectors.numpy())


def test_the_store_remembers_what_made_it(tmp_path: Path) -> None:
    Store.create(tmp_path / "s", fingerprint=FINGERPRINT, dimensions=D, origin={"model": "demo"})
    about = Store.open(tmp_path / "s").about
    assert (about.fingerprint, about.dimensions, about.origin) == (FINGERPRINT, D, {"model": "demo"})


def test_vectors_of_another_extractor_are_refused_with_the_way_out(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 2, seed=0)
    held = frames(2, seed=1)
    with pytest.raises(FingerprintError) as caught:
        shelf.store.add(
            record("/v/b.mp4"),
            vectors=held.vectors,
            start_s=held.start_s,
            end_s=held.end_s,
            kinds=held.kinds,
            fingerprint=OTHER,
        )
    message = str(caught.value)
    assert f"{shelf.store.uri} holds vectors of another extractor:\n  method: full -> reuse" in message
    assert "keep: None -> 0.15" in message
    assert "vidskim index VIDEOS --store OTHER" in message
    assert f"vidskim index VIDEOS --store {shelf.store.uri} --reindex" in message
    assert caught.value.remedy == "overwrite"
    with pytest.raises(FingerprintError):
        Store.open_or_create(shelf.store.uri, fingerprint=OTHER, dimensions=D)
    shelf.check()


def test_a_refused_video_changes_nothing(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 2, seed=0)
    version = shelf.store._tables.frames.version
    held = frames(2, seed=1)
    held.vectors[1] = np.nan
    with pytest.raises(StoreError, match=r"a\.mp4: the vector of frame 1 \(at 1\.00 s\) holds NaN"):
        put(shelf.store, "/v/a.mp4", held)
    shelf.check()
    assert shelf.store._tables.frames.version == version


def test_the_same_path_again_replaces_and_keeps_the_id(shelf: Shelf) -> None:
    first = shelf.add("/v/a.mp4", 5, seed=0)
    second = shelf.add("/v/a.mp4", 3, seed=1, content="changed")
    assert first.id == second.id
    assert first.entry != second.entry
    shelf.check()
    assert shelf.store._tables.frames.count_rows() == 3


def test_copies_are_videos_of_their_own(shelf: Shelf) -> None:
    one = shelf.add("/v/a.mp4", 3, seed=0, content="same")
    two = shelf.add("/v/b.mp4", 3, seed=0, content="same")
    assert one.id != two.id
    shelf.check()


def test_quotes_and_unicode_in_paths_are_safe(shelf: Shelf) -> None:
    for number, name in enumerate(
        ["it's", "a' OR '1'='1", "ünïcode 🎬", 'say "x"', "back\\slash", "per%cent_"]
    ):
        shelf.add(f"/v/{name}.mp4", 2, seed=number)
        shelf.add(f"/v/{name}.mp4", 3, seed=number + 100)
    shelf.check()
    assert shelf.store.count().videos == 6


def test_removing_takes_videos_and_their_frames(shelf: Shelf) -> None:
    one, two, three = (shelf.add(f"/v/{number}.mp4", 4, seed=number) for number in range(3))
    assert shelf.store.remove([one.id, three.id]) == [one, three]
    del shelf.truth[one.id], shelf.truth[three.id]
    shelf.check()
    assert shelf.store._tables.frames.count_rows() == 4
    with pytest.raises(StoreError, match=f"no video '{one.id}' among the 1 stored"):
        shelf.store.remove([two.id, one.id])
    assert shelf.store.remove([]) == []
    shelf.check()


def test_a_moved_video_keeps_id_and_vectors(shelf: Shelf) -> None:
    video = shelf.add("/v/a.mp4", 4, seed=0)
    there = Identity(1000, 2, "/v/a.mp4")
    moved = shelf.store.move(video.id, "/w/b.mp4", identity=there)
    assert (moved.id, moved.path, moved.name, moved.identity) == (video.id, "/w/b.mp4", "b.mp4", there)
    assert Store.open(shelf.store.uri).video(video.id) == moved
    shelf.check()
    shelf.add("/v/a.mp4", 3, seed=1)  # the old place is free; another id although the content is the same
    shelf.check()
    assert shelf.store.count().videos == 2


def test_a_video_is_not_moved_onto_another(shelf: Shelf) -> None:
    one, two = (shelf.add(f"/v/{number}.mp4", 4, seed=number) for number in range(2))
    with pytest.raises(
        StoreError, match=f"/v/1.mp4 is stored already, as video {two.id}; remove one of the two"
    ):
        shelf.store.move(one.id, "/v/1.mp4")
    with pytest.raises(StoreError, match="no video 'nobody' among the 2 stored"):
        shelf.store.move("nobody", "/v/x.mp4")
    with pytest.raises(SettingsError, match="not UTF-8"):
        shelf.store.move(one.id, "/v/\udce9.mp4")
    assert shelf.store.move(one.id, "/v/0.mp4") == one
    shelf.check()


def test_two_writers_take_turns(shelf: Shelf) -> None:
    other = Shelf(Store.open(shelf.store.uri), shelf.truth)
    for number in range(4):
        (shelf if number % 2 else other).add(f"/v/{number}.mp4", 2, seed=number)
    shelf.check()
    other.check()


def test_making_anew_forgets_everything(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 2, seed=0)
    anew = Store.create(shelf.store.uri, fingerprint=OTHER, dimensions=D + 1, overwrite=True)
    assert anew.count().videos == 0
    assert anew.about.fingerprint == OTHER
    assert Store.open(shelf.store.uri).about == anew.about


def test_an_object_store_works_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """LanceDB's scheme for a folder that is used as if it were an object store."""
    uri = f"file-object-store://{tmp_path}/bucket/store"
    shelf = Shelf(Store.open_or_create(uri, fingerprint=FINGERPRINT, dimensions=D))
    with caplog.at_level(logging.WARNING):
        one = shelf.add("/v/a.mp4", 30, seed=0)
        shelf.add("/v/b.mp4", 3, seed=1)
        shelf.store.refresh()
        shelf.check()
        shelf.store.remove([one.id])
        del shelf.truth[one.id]
        shelf.store.compact()
        shelf.check(Store.open_or_create(uri, fingerprint=FINGERPRINT, dimensions=D))
    assert 0 < shelf.store.bytes_on_disk() < 10_000
    assert sorted(os.listdir(tmp_path / "bucket" / "store")) == [
        "about.lance",
        "frames.lance",
        "videos.lance",
    ]
    assert caplog.text == ""


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "remove", "move", "compact", "open", "index"]),
        st.integers(0, 4),
    ),
    min_size=3,
    max_size=12,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(operations=OPERATIONS)
def test_any_sequence_of_operations_leaves_the_truth(
    operations: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("store")
    shelf = Shelf(Store.create(place, fingerprint=FINGERPRINT, dimensions=D))
    reader = Store.open(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "TAIL_ROWS", 12)
        patch.setattr(upkeep, "FRAGMENTS", 3)
        for step, (kind, number) in enumerate(operations):
            path = f"/v/{number}.mp4"
            there = [video.id for video in shelf.store.videos() if video.path == path]
            if kind == "add":
                shelf.add(path, 1 + step % 7, seed=step)
            elif kind == "compact":
                shelf.store.compact()
            elif kind == "open":
                shelf.store = Store.open(place)
            elif kind == "index" and shelf.truth:
                shelf.store.build_index()
            elif kind == "move" and there:
                shelf.store.move(there[0], f"/w/{step}.mp4")
            elif kind == "remove" and there:
                shelf.store.remove(there)
                del shelf.truth[there[0]]
            shelf.check(reader)
    shutil.rmtree(place)
