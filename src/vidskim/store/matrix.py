"""Vectors in memory or mapped from a file, ready for one product with a query.

The file is a cache: a safetensors file with `vectors` float32 [n, d], `start_s` and `end_s` float64 [n], `kinds` uint8
[n], and in its header the entries whose rows these are. An entry's rows never change and its name is never used again,
so that a file can be behind the store, but never wrong about an entry it names.
"""

import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vidskim.disk import writing
from vidskim.store.records import About, Curve, Floats, Frames, Vectors

_TYPES = {"start_s": "<f8", "end_s": "<f8", "vectors": "<f4", "kinds": "u1"}  # wide first keeps all aligned
_CODES = {"<f8": "F64", "<f4": "F32", "u1": "U8"}
_LETTERS = np.array(["P", "I"])


@dataclass(frozen=True)
class Matrix:
    """The frames of some entries, one after the other.

    Args:
        entries: name -> (first row, number of rows), in order of rows.
        start_s: seconds [n].
        end_s: seconds [n].
        vectors: float32 [n, d].
        kinds: 0 = P, 1 = I, [n].
    """

    entries: dict[str, tuple[int, int]]
    start_s: Floats
    end_s: Floats
    vectors: Vectors
    kinds: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def empty(cls, counts: dict[str, int], *, dimensions: int) -> "Matrix":
        """Room in memory for some entries, to be filled."""
        shapes = _shapes(counts, dimensions)
        return cls(_layout(counts), **{name: np.empty(shape, _TYPES[name]) for name, shape in shapes.items()})

    @cached_property
    def owners(self) -> NDArray[np.int32]:
        """Which entry each row belongs to, by its number in `entries`, [n]."""
        counts = [count for _, count in self.entries.values()]
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def copy_from(self, other: "Matrix", entries: Iterable[str]) -> None:
        """Take over the rows of some entries; neighbours go in one piece."""
        for target, source in _runs(self, other, entries):
            for name in _TYPES:
                getattr(self, name)[target] = getattr(other, name)[source]

    def only(self, entry: str) -> "Matrix":
        """One entry's rows, not copied."""
        first, count = self.entries[entry]
        arrays = {name: getattr(self, name)[first : first + count] for name in _TYPES}
        return Matrix({entry: (0, count)}, **arrays)

    def curve(self, scores: Vectors) -> Curve:
        """A score for each row, with its times, copied."""
        return Curve(np.array(self.start_s), np.array(self.end_s), scores)

    def frames(self, entry: str) -> Frames:
        """One entry's rows, copied."""
        first, count = self.entries[entry]
        rows = slice(first, first + count)
        return Frames(
            np.array(self.vectors[rows]),
            np.array(self.start_s[rows]),
            np.array(self.end_s[rows]),
            _LETTERS[self.kinds[rows]],
        )


def save_matrix(path: Path, counts: dict[str, int], *, about: About, fill: Callable[[Matrix], None]) -> None:
    """Write a file of some entries; it appears whole or not at all, and takes no memory of its own.

    Args:
        path: of the file.
        counts: rows of each entry.
        about: the store.
        fill: is given the mapped rows, and writes every one.

    Raises:
        OSError: no room, or no right to write.
    """
    head = {"store": about.store, "entries": json.dumps(counts, separators=(",", ":"))}
    header, spans = _header(head, _shapes(counts, about.dimensions))
    size = len(header) + spans["kinds"][1]
    with writing(path) as file:
        file.write(header)
        file.flush()
        if hasattr(os, "posix_fallocate"):  # a disk that fills up under a mapping kills the process
            os.posix_fallocate(file.fileno(), 0, size)
        file.truncate(size)
        matrix = _map(Path(file.name), counts, about.dimensions, header=header, spans=spans, mode="r+")
        fill(matrix)
        for name in _TYPES:
            array = getattr(matrix, name)
            if isinstance(array, np.memmap):
                array.flush()


def load_matrix(path: Path, *, about: About) -> Matrix | None:
    """Map a file that `save_matrix` wrote for this store, or None if there is none, it is cut short or another's."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                return None
            head = json.loads(file.read(length))["__metadata__"]
        counts = json.loads(head["entries"])
        header, spans = _header(head, _shapes(counts, about.dimensions))
        whole = len(header) == length + 8 and path.stat().st_size == len(header) + spans["kinds"][1]
        if head["store"] != about.store or not whole:
            return None
        return _map(path, counts, about.dimensions, header=header, spans=spans, mode="c")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None


def _map(
    path: Path,
    counts: dict[str, int],
    dimensions: int,
    *,
    header: bytes,
    spans: dict[str, tuple[int, int]],
    mode: Literal["r+", "c"],
) -> Matrix:
    """Arrays over a file; for reading "c", copy on write, because torch warns of arrays that cannot be written."""
    arrays: dict[str, Any] = {}
    for name, shape in _shapes(counts, dimensions).items():
        offset = len(header) + spans[name][0]
        arrays[name] = (
            np.memmap(path, _TYPES[name], mode=mode, offset=offset, shape=shape)
            if shape[0]
            else np.empty(shape, _TYPES[name])
        )
    return Matrix(_layout(counts), **arrays)


def _shapes(counts: dict[str, int], dimensions: int) -> dict[str, tuple[int, ...]]:
    rows = sum(counts.values())
    return {name: (rows, dimensions) if name == "vectors" else (rows,) for name in _TYPES}


def _layout(counts: dict[str, int]) -> dict[str, tuple[int, int]]:
    first, layout = 0, {}
    for entry, count in counts.items():
        layout[entry] = (first, count)
        first += count
    return layout


def _header(
    head: dict[str, str], shapes: dict[str, tuple[int, ...]]
) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """The bytes before the arrays, a multiple of 64, and where each array lies behind them."""
    record: dict[str, object] = {"__metadata__": head}
    spans, start = {}, 0
    for name, shape in shapes.items():
        end = start + int(np.prod(shape)) * np.dtype(_TYPES[name]).itemsize
        spans[name] = (start, end)
        record[name] = {"dtype": _CODES[_TYPES[name]], "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(record, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    return struct.pack("<Q", len(text)) + text, spans


def _runs(target: Matrix, source: Matrix, entries: Iterable[str]) -> Iterator[tuple[slice, slice]]:
    """Stretches of rows that lie side by side in both."""
    to = at = length = 0
    for entry in entries:
        first, count = source.entries[entry]
        there = target.entries[entry][0]
        if length and (there, first) == (to + length, at + length):
            length += count
            continue
        if length:
            yield slice(to, to + length), slice(at, at + length)
        to, at, length = there, first, count
    if length:
        yield slice(to, to + length), slice(at, at + length)
