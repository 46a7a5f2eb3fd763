"""Files that were moved."""

import os
from pathlib import Path

import numpy as np
import pytest

from vidskim.errors import StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import identify
from vidskim.store.records import VideoRecord
from vidskim.store.relocation import relocate

FINGERPRINT = Fingerprint("vit", "0", {}, "full")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of old/a.mp4, old/sub/b.mp4 and old-too/c.mp4."""
    store = Store.create(tmp_path / "store", fingerprint=FINGERPRINT, dimensions=2)
    for name in ("old/a.mp4", "old/sub/b.mp4", "old-too/c.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        add(store, str(path))
    return store


def add(store: Store, path: str) -> None:
    store.add(
        VideoRecord(path=path, identity=identify(path), duration_s=1.0),
        vectors=np.array([[0.6, 0.8]], np.float32),
        start_s=[0.0],
        end_s=[1.0],
        kinds=["I"],
        fingerprint=FINGERPRINT,
    )


def names(store: Store, root: Path) -> list[str]:
    return [os.path.relpath(video.path, root) for video in store.videos()]


def test_a_folder_with_all_below_it_and_nothing_beside_it(tmp_path: Path, store: Store) -> None:
    ids = {video.id for video in store.videos()}
    (tmp_path / "old").rename(tmp_path / "new")
    os.utime(tmp_path / "new" / "a.mp4", ns=(5, 5))
    moved = relocate(store, f"{tmp_path}/old/", tmp_path / "new")
    assert [os.path.relpath(before, tmp_path) for before, _ in moved] == ["old/a.mp4", "old/sub/b.mp4"]
    assert names(store, tmp_path) == ["new/a.mp4", "new/sub/b.mp4", "old-too/c.mp4"]
    assert {video.id for video in store.videos()} == ids
    for video in store.videos():
        assert store.state_of(video.path, identify(video.path)).kind == "unchanged"


@pytest.mark.parametrize("target", ["new", "new/renamed.mp4"])
def test_a_file_into_a_folder_or_under_another_name(tmp_path: Path, store: Store, target: str) -> None:
    (tmp_path / "new").mkdir()
    landed = tmp_path / ("new/a.mp4" if target == "new" else target)
    (tmp_path / "old" / "a.mp4").rename(landed)
    ((_, video),) = relocate(store, tmp_path / "old" / "a.mp4", tmp_path / target)
    assert (video.path, video.name) == (str(landed), landed.name)


def test_everything_is_checked_before_anything_is_changed(tmp_path: Path, store: Store) -> None:
    before = names(store, tmp_path)
    with pytest.raises(StoreError, match=r"2 of 2 videos are not at their new place, such as .*new/a\.mp4"):
        relocate(store, tmp_path / "old", tmp_path / "new")
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "new" / "sub" / "b.mp4").write_text("another one")
    with pytest.raises(
        StoreError, match=r"new/sub/b\.mp4 is not the file that was indexed as .*old/sub/b\.mp4"
    ):
        relocate(store, tmp_path / "old", tmp_path / "new")
    with pytest.raises(StoreError, match=r"holds no video at .*nowhere or below"):
        relocate(store, tmp_path / "nowhere", tmp_path / "new")
    assert names(store, tmp_path) == before


def test_a_place_that_is_taken_is_refused(tmp_path: Path, store: Store) -> None:
    twin = tmp_path / "old-too" / "a.mp4"
    twin.write_text("old/a.mp4")
    add(store, str(twin))
    with pytest.raises(StoreError, match="is stored already, as video"):
        relocate(store, tmp_path / "old" / "a.mp4", twin)


def test_a_place_that_is_taken_stops_a_folder_before_anything_is_changed(
    tmp_path: Path, store: Store
) -> None:
    (tmp_path / "old").rename(tmp_path / "new")
    add(store, str(tmp_path / "new" / "sub" / "b.mp4"))
    before = names(store, tmp_path)
    with pytest.raises(
        StoreError, match=r"new/sub/b\.mp4 is stored already, as video \w+; nothing was changed"
    ):
        relocate(store, tmp_path / "old", tmp_path / "new")
    assert names(store, tmp_path) == before


def test_a_video_may_land_where_another_one_leaves(tmp_path: Path, store: Store) -> None:
    # old/a.mp4 and old/sub/a.mp4 one level down and up again, in one step each
    add(store, str((tmp_path / "old" / "a.mp4").rename(tmp_path / "old" / "sub" / "a.mp4")))
    (tmp_path / "old" / "a.mp4").write_text("old/a.mp4")
    start = names(store, tmp_path)
    (tmp_path / "old").rename(tmp_path / "inner")
    (tmp_path / "old").mkdir()
    (tmp_path / "inner").rename(tmp_path / "old" / "sub")
    moved = relocate(store, tmp_path / "old", tmp_path / "old" / "sub")
    assert [os.path.relpath(before, tmp_path) for before, _ in moved] == [*start[1:]]
    assert names(store, tmp_path)[1:] == ["old/sub/a.mp4", "old/sub/sub/a.mp4", "old/sub/sub/b.mp4"]
    (tmp_path / "old" / "sub").rename(tmp_path / "inner")
    (tmp_path / "old").rmdir()
    (tmp_path / "inner").rename(tmp_path / "old")
    relocate(store, tmp_path / "old" / "sub", tmp_path / "old")
    assert names(store, tmp_path) == start


def test_file_uris_are_paths(tmp_path: Path, store: Store) -> None:
    (tmp_path / "old").rename(tmp_path / "new place")
    relocate(store, f"file://{tmp_path}/old", f"file://{tmp_path}/new%20place")
    assert names(store, tmp_path)[:2] == ["new place/a.mp4", "new place/sub/b.mp4"]


def test_objects_in_a_bucket_cannot_be_looked_at(tmp_path: Path, store: Store) -> None:
    relocate(store, tmp_path / "old", "s3://bucket/videos/")
    assert [video.path for video in store.videos()][1:] == [
        "s3://bucket/videos/a.mp4",
        "s3://bucket/videos/sub/b.mp4",
    ]
    relocate(store, "s3://bucket/videos", tmp_path / "old")
    assert names(store, tmp_path) == ["old-too/c.mp4", "old/a.mp4", "old/sub/b.mp4"]
