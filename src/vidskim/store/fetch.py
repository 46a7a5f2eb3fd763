"""Frames out of the table, each row to its place in a matrix."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vidskim.store.matrix import Matrix
from vidskim.store.schema import one_of
from vidskim.store.view import BehindError, may_be_behind

if TYPE_CHECKING:
    from lancedb.table import Table

_COLUMNS = ["entry", "position", "start_s", "end_s", "kind", "vector"]
LISTED = 200  # entries named in a query; with more, everything is read and sorted out here


def fetch(frames: "Table", matrix: Matrix, entries: Collection[str]) -> None:
    """Read the rows of some entries into a matrix that has room for them.

    Raises:
        BehindError: some of their rows are gone.
    """
    if not entries:
        return
    query = frames.search().select(_COLUMNS)
    if len(entries) <= LISTED:
        query = query.where(one_of("entry", sorted(entries)))
    wanted = set(entries)
    with may_be_behind():
        found = sum(_place(matrix, batch, wanted) for batch in query.to_batches())
    expected = sum(matrix.entries[entry][1] for entry in wanted)
    if found != expected:
        raise BehindError(f"{len(wanted)} videos should have {expected} frames, {found} were found")


def _place(matrix: Matrix, batch: pa.RecordBatch, wanted: set[str]) -> int:
    """Write the rows of wanted entries where they belong; how many there were."""
    codes = batch.column("entry").dictionary_encode()
    names = codes.dictionary.to_pylist()
    spans = np.array([matrix.entries[name] if name in wanted else (0, 0) for name in names], np.int64)
    if not spans.any():
        return 0
    code = codes.indices.to_numpy()
    position = batch.column("position").to_numpy().astype(np.int64)
    chosen = np.flatnonzero(position < spans[code, 1])
    rows = spans[code[chosen], 0] + position[chosen]
    target: slice | NDArray[np.int64] = rows
    if len(rows) and (np.diff(rows) == 1).all():  # as written: one piece
        target = slice(int(rows[0]), int(rows[-1]) + 1)
    vectors = batch.column("vector").flatten().to_numpy().reshape(len(batch), -1)
    matrix.vectors[target] = vectors if len(chosen) == len(batch) else vectors[chosen]
    matrix.start_s[target] = batch.column("start_s").to_numpy()[chosen]
    matrix.end_s[target] = batch.column("end_s").to_numpy()[chosen]
    matrix.kinds[target] = batch.column("kind").to_numpy(zero_copy_only=False)[chosen] == "I"
    return len(rows)
