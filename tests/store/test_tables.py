"""Opening and making: what is there, what is not, what was interrupted."""

import re
from pathlib import Path

import pytest
from tests.store.conftest import FINGERPRINT, D, Shelf

from vidskim.errors import StoreError
from vidskim.store.dataset import Store
from vidskim.store.location import Location
from vidskim.store.tables import Tables, reported


def test_no_store_says_how_to_make_one_and_makes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "none"
    with pytest.raises(
        StoreError, match=re.escape(f"no store at {place}; `vidskim index VIDEOS --store {place}`")
    ):
        Store.open(place)
    assert not Tables.exist(Location.of(place))
    assert not place.exists()


def test_a_folder_of_something_else_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(StoreError, match=f"{tmp_path} holds no store"):
        Store.open(tmp_path)


def test_a_file_is_not_a_place_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"{tmp_path}/file could not be made: "):
        Store.create(tmp_path / "file", fingerprint=FINGERPRINT, dimensions=D)


def test_a_store_is_not_made_twice(shelf: Shelf) -> None:
    with pytest.raises(StoreError, match=r"there is a store at .* already; open it, overwrite it, or choose"):
        Store.create(shelf.store.uri, fingerprint=FINGERPRINT, dimensions=D)


@pytest.mark.parametrize("missing", [["about"], ["about", "videos"]])
def test_an_interrupted_making_is_told_and_mended(shelf: Shelf, missing: list[str]) -> None:
    shelf.add("/v/a.mp4", 3, seed=0)
    for name in missing:
        (Path(shelf.store.uri) / f"{name}.lance").rename(Path(shelf.store.uri) / f"{name}.gone")
    with pytest.raises(
        StoreError, match="was never finished: its making was interrupted; `vidskim index VIDEOS"
    ):
        Store.open(shelf.store.uri)
    mended = Shelf(Store.open_or_create(shelf.store.uri, fingerprint=FINGERPRINT, dimensions=D))
    mended.check()
    mended.add("/v/b.mp4", 3, seed=1)
    mended.check()


def test_a_reader_of_a_store_made_anew_is_told(shelf: Shelf) -> None:
    shelf.add("/v/a.mp4", 3, seed=0)
    reader = Store.open(shelf.store.uri)
    reader.count()
    Store.create(shelf.store.uri, fingerprint=FINGERPRINT, dimensions=D + 1, overwrite=True)
    with pytest.raises(StoreError, match="was made anew since it was opened; open it again"):
        reader.count()
    with pytest.raises(StoreError, match="was made anew since it was opened; open it again"):
        shelf.add("/v/b.mp4", 3, seed=1)
    assert Store.open(shelf.store.uri).about.dimensions == D + 1


def test_damage_is_told_with_the_place(shelf: Shelf) -> None:
    for path in (Path(shelf.store.uri) / "videos.lance" / "_versions").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(StoreError, match=f"{shelf.store.uri} could not be opened: "):
        Store.open(shelf.store.uri)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "lance error: LanceError(IO): Generic S3 error: 403 Forbidden, "
            "/home/runner/.cargo/registry/src/index.crates.io-1/lance-io-0.3/src/object_store.rs:94:27",
            "lance error: LanceError(IO): Generic S3 error: 403 Forbidden",
        ),
        ("Not found: a/b.lance, rust/lance/src/dataset.rs:12:3, and more", "Not found: a/b.lance"),
        ("no space left, /root/videos is full\nCaused by: x", "no space left, /root/videos is full"),
        ("", "OSError"),
    ],
)
def test_reasons_leave_out_places_in_the_databases_source(tmp_path: Path, text: str, reason: str) -> None:
    with (
        pytest.raises(StoreError, match=re.escape(f" could not be read: {reason}") + "$"),
        reported(Location.of(tmp_path), "read"),
    ):
        raise OSError(text)
