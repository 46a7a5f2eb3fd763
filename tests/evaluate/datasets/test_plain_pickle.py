"""Pickles of plain data are read as they are; pickles that would run something are refused and run nothing."""

import gzip
import pickle
from pathlib import Path
from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.plain_pickle import read_plain_pickle

VALUES: list[Any] = [
    {"vid1": [["a", "dog", "runs"], ["ein", "Hund", "läuft"]], "vid2": [["é" * 300]]},
    [1, -7, 2**70, 300, 70000, 1.5, True, False, None, b"bytes", ()],
    {"t": ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "nested": {"a": {}, "b": [[]]}},
    "x" * 70000,
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_plain_values(tmp_path: Path, protocol: int, value: Any) -> None:
    if protocol < 3 and value == VALUES[1]:
        value = [item for item in value if not isinstance(item, bytes)]  # there bytes are a call
    file = tmp_path / "value.pkl"
    file.write_bytes(pickle.dumps(value, protocol))
    assert read_plain_pickle(file) == value


def test_shared_values_and_python_2(tmp_path: Path) -> None:
    word = "again"
    shared = [word, [word, word]]
    file = tmp_path / "value.pkl.gz"
    file.write_bytes(gzip.compress(pickle.dumps([shared, shared])))
    assert read_plain_pickle(file) == [shared, shared]
    old = tmp_path / "old.pkl"
    old.write_bytes(b"(dp0\nS'vid1'\np1\n(lp2\n(lp3\nS'a'\naS'dog'\naas.")  # what Python 2 wrote
    assert read_plain_pickle(old) == {"vid1": [["a", "dog"]]}


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_something_is_refused(tmp_path: Path, protocol: int) -> None:
    file, touched = tmp_path / "trap.pkl", tmp_path / "touched"
    file.write_bytes(pickle.dumps({"vid1": Trap(touched)}, protocol))
    with pytest.raises(
        SettingsError, match=r"not plain data: the pickle asks for (STACK_)?GLOBAL at byte \d+"
    ):
        read_plain_pickle(file)
    assert not touched.exists()


@pytest.mark.parametrize("data", [b"", b"\x80\x04]", b"0.", b"(lp0\naa.", pickle.dumps([1, 2])[:-2]])
def test_a_damaged_pickle_is_named(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "value.pkl"
    file.write_bytes(data)
    with pytest.raises(SettingsError, match=r"a damaged pickle|not plain data"):
        read_plain_pickle(file)
