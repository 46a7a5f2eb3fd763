"""A file is told from another by size, time, head and tail."""

import os
from pathlib import Path

import pytest

from vidskim.errors import SettingsError
from vidskim.store.identity import END_BYTES, Identity, identify, is_gone


def write(path: Path, content: bytes, *, mtime_ns: int = 10**18) -> Identity:
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return identify(path)


def test_equal_content_and_time_is_the_same(tmp_path: Path) -> None:
    content = os.urandom(3 * END_BYTES)
    assert write(tmp_path / "a", content) == write(tmp_path / "b", content)


@pytest.mark.parametrize("size", [0, 1, END_BYTES, END_BYTES + 1, 2 * END_BYTES, 5 * END_BYTES])
def test_any_size_can_be_identified(tmp_path: Path, size: int) -> None:
    assert write(tmp_path / "a", b"x" * size).size == size


@pytest.mark.parametrize("at", [0, END_BYTES - 1, -END_BYTES, -1])
def test_a_change_of_head_or_tail_shows(tmp_path: Path, at: int) -> None:
    content = bytearray(5 * END_BYTES)
    before = write(tmp_path / "a", bytes(content))
    content[at] ^= 1
    after = write(tmp_path / "a", bytes(content))
    assert before.mtime_ns == after.mtime_ns
    assert not before.same_content(after)


def test_zeros_of_another_size_are_other_content(tmp_path: Path) -> None:
    assert write(tmp_path / "a", bytes(10)).head_tail_hash != write(tmp_path / "b", bytes(11)).head_tail_hash


def test_a_touched_file_has_the_same_content_but_is_not_equal(tmp_path: Path) -> None:
    before = write(tmp_path / "a", b"x")
    after = write(tmp_path / "a", b"x", mtime_ns=10**18 + 1)
    assert before.same_content(after)
    assert before != after


def test_only_a_local_path_can_be_gone(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert not is_gone(str(tmp_path / "a"))
    assert is_gone(str(tmp_path / "b"))
    assert not is_gone("s3://bucket/b")


def test_impossible_identities_are_refused() -> None:
    with pytest.raises(SettingsError, match="size must be 0 or more bytes, received -1"):
        Identity(-1, 0, "x")
    with pytest.raises(SettingsError, match="head_tail_hash is empty; identify"):
        Identity(1, 0, "")
