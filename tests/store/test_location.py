"""Where a store lies."""

import os
from pathlib import Path

import pytest

from vidskim.store.location import Location, bytes_below, user_cache


def test_a_folder_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    location = Location.of("library/")
    assert location.folder == Path(os.getcwd()) / "library"
    assert location.uri == str(location.folder)
    assert location.cache == location.folder / ".cache"


def test_a_file_uri_is_a_folder(tmp_path: Path) -> None:
    assert Location.of(f"file://{tmp_path}/a%20b").folder == tmp_path / "a b"


def test_an_object_store_has_its_cache_with_the_user(tmp_path: Path) -> None:
    location = Location.of("s3://bucket/library/")
    assert location.folder is None
    assert location.uri == "s3://bucket/library"
    assert location.cache == user_cache("s3://bucket/library")
    assert location.cache.is_relative_to(tmp_path / "user-cache")


def test_bytes_are_counted_below(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(bytes(10))
    (tmp_path / "a" / "b" / "y").write_bytes(bytes(5))
    assert bytes_below(tmp_path) == 15
