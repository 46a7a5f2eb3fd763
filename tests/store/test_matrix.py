"""The cache file holds what was put in, is read by any safetensors reader, and is not believed when it is broken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.store.conftest import FINGERPRINT, D, unit

from vidskim.store.matrix import Matrix, load_matrix, save_matrix
from vidskim.store.records import About

ABOUT = About("s" * 32, FINGERPRINT, D, "now")
COUNTS = {"a": 3, "b": 1, "c": 4}


def full(counts: dict[str, int] = COUNTS) -> Matrix:
    matrix = Matrix.empty(counts, dimensions=D)
    rows = len(matrix)
    matrix.vectors[:] = unit(rows, seed=0)
    matrix.start_s[:] = np.arange(rows)
    matrix.end_s[:] = np.arange(rows) + 1
    matrix.kinds[:] = np.arange(rows) % 2
    return matrix


def save(path: Path, matrix: Matrix, about: About = ABOUT) -> None:
    counts = {entry: count for entry, (_, count) in matrix.entries.items()}
    save_matrix(path, counts, about=about, fill=lambda empty: empty.copy_from(matrix, counts))


def same(one: Matrix, other: Matrix) -> bool:
    names = ("vectors", "start_s", "end_s", "kinds")
    return one.entries == other.entries and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in names
    )


def test_entries_lie_one_after_the_other() -> None:
    assert full().entries == {"a": (0, 3), "b": (3, 1), "c": (4, 4)}
    assert full().owners.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]


def test_an_entry_comes_out_as_frames() -> None:
    got = full().frames("c")
    assert got.start_s.tolist() == [4, 5, 6, 7]
    assert got.kinds.tolist() == ["P", "I", "P", "I"]


@pytest.mark.parametrize("order", ["abc", "cba", "ca", "b", ""])
def test_entries_can_be_taken_over_in_any_order(order: str) -> None:
    source = full()
    target = Matrix.empty({entry: COUNTS[entry] for entry in order}, dimensions=D)
    target.copy_from(source, list(order))
    for entry in order:
        assert np.array_equal(target.frames(entry).vectors, source.frames(entry).vectors)


def test_a_file_comes_back_the_same(tmp_path: Path) -> None:
    save(tmp_path / "file", full())
    loaded = load_matrix(tmp_path / "file", about=ABOUT)
    assert loaded is not None
    assert same(loaded, full())
    assert isinstance(loaded.vectors, np.memmap)


def test_a_file_may_be_empty(tmp_path: Path) -> None:
    save(tmp_path / "file", full({}))
    loaded = load_matrix(tmp_path / "file", about=ABOUT)
    assert loaded is not None
    assert len(loaded) == 0


def test_any_safetensors_reader_reads_it(tmp_path: Path) -> None:
    save(tmp_path / "file", full())
    arrays = load_file(tmp_path / "file")
    assert np.array_equal(arrays["vectors"], full().vectors)
    assert np.array_equal(arrays["kinds"], full().kinds)


def test_a_mapped_file_cannot_be_changed_by_its_reader(tmp_path: Path) -> None:
    save(tmp_path / "file", full())
    before = (tmp_path / "file").read_bytes()
    loaded = load_matrix(tmp_path / "file", about=ABOUT)
    assert loaded is not None
    loaded.vectors[:] = 0
    assert (tmp_path / "file").read_bytes() == before


def test_a_broken_file_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert load_matrix(path, about=ABOUT) is None
    save(path, full())
    whole = path.read_bytes()
    cuts = [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]
    for broken in [*(whole[:cut] for cut in cuts), whole + b"x", b"\xff" * 100, bytes(100), whole[8:]]:
        path.write_bytes(broken)
        assert load_matrix(path, about=ABOUT) is None


def test_the_file_of_another_store_is_not_believed(tmp_path: Path) -> None:
    save(tmp_path / "file", full())
    assert load_matrix(tmp_path / "file", about=replace(ABOUT, store="t" * 32)) is None
    assert load_matrix(tmp_path / "file", about=replace(ABOUT, dimensions=D + 1)) is None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    save(tmp_path / "file", full())

    def fail(_: Matrix) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        save_matrix(tmp_path / "file", {"z": 2}, about=ABOUT, fill=fail)
    loaded = load_matrix(tmp_path / "file", about=ABOUT)
    assert loaded is not None
    assert same(loaded, full())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
