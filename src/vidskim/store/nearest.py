"""Approximate search by LanceDB's index, and the choice between it and exact search.

The index is IVF_FLAT: vectors as they are, in cells around centroids; a search looks into the cells nearest to the
query. It was measured beside IVF_PQ and IVF_SQ (docs/log.md): those are smaller, but slower to build, and they find
less for text queries, which lie far from every frame. Joining fragments keeps the cells; LanceDB's own way of adding
rows to an index merges them, so the index is remade instead, and rows beside it are compared one by one until then.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from vidskim.errors import SettingsError, StoreError, unknown_name
from vidskim.store.exact import Candidates
from vidskim.store.records import Hits, Vectors
from vidskim.store.schema import one_of
from vidskim.store.view import may_be_behind

if TYPE_CHECKING:
    from lancedb.table import Table

How = Literal["auto", "exact", "index"]
HOWS = ("auto", "exact", "index")
EXACT_ROWS = 200_000  # up to so many rows a product with all of them is quick enough
BESIDE_ROWS = 20_000  # so many rows beside the index, and comparing them costs more than the index saves
PROBED = 0.2  # share of the cells a search looks into
_NAME = "vector_idx"
_LEAST_PROBES = 16


@dataclass(frozen=True)
class Index:
    """What the index covers: rows in it, and rows that came later and are compared one by one."""

    rows: int
    beside: int

    @property
    def probes(self) -> int:
        """Cells a search looks into."""
        return max(_LEAST_PROBES, round(PROBED * _cells(self.rows)))


def build_index(frames: "Table") -> None:
    """Make the index anew, over all rows there are.

    Raises:
        StoreError: the table is empty.
    """
    from lancedb.index import IvfFlat

    rows = frames.count_rows()
    if not rows:
        raise StoreError("there is nothing to index: the store holds no frames")
    settings = IvfFlat(distance_type="dot", num_partitions=_cells(rows), max_iterations=20)
    frames.create_index("vector", config=settings, replace=True, name=_NAME, wait_timeout=timedelta(hours=6))


def find_index(frames: "Table") -> Index | None:
    """The index at the table's version, if there is one."""
    if not any(index.name == _NAME for index in frames.list_indices()):
        return None
    stats = frames.index_stats(_NAME)
    return Index(rows=stats.num_indexed_rows, beside=stats.num_unindexed_rows) if stats else None


def choose(how: How, *, rows: int, index: Index | None) -> Literal["exact", "index"]:
    """Which search answers.

    Args:
        how: "auto", or the one to use.
        rows: that may answer.
        index: the index, if there is one.

    Raises:
        SettingsError: no such search.
        StoreError: the index is asked for and there is none.
    """
    if how not in HOWS:
        raise unknown_name("search", how, HOWS)
    if how == "index" and index is None:
        raise StoreError('the store has no index; store.build_index() makes one, or search with how="exact"')
    if how == "auto":
        return "index" if index and index.beside <= BESIDE_ROWS and rows > EXACT_ROWS else "exact"
    return how


def search_index(
    frames: "Table",
    query: Vectors,
    *,
    index: Index,
    limit: int,
    entries: Mapping[str, str],
    everything: bool,
    between: tuple[float, float] | None,
) -> Hits:
    """The nearest frames, as far as the index finds them.

    Args:
        frames: the table.
        query: float32 [d], unit length.
        index: of the table.
        limit: how many at most.
        entries: those that may answer, entry -> video id.
        everything: whether these are all entries of the store.
        between: only frames that overlap this half-open range of seconds in their video.

    Raises:
        BehindError: a writer deleted what was being read.
    """
    conditions = [] if everything else [one_of("entry", list(entries))]
    if between is not None:
        conditions.append(f"(start_s < {between[1]!r} AND end_s > {between[0]!r})")
    wanted = limit
    while True:
        search = frames.search(query, vector_column_name="vector").distance_type("dot").nprobes(index.probes)
        search = search.select(["entry", "position", "start_s", "end_s", "_distance"]).limit(wanted)
        if conditions:
            search = search.where(" AND ".join(conditions), prefilter=True)
        with may_be_behind():
            rows = search.to_arrow()
        # rows of an entry that no video names are left over from an unfinished indexing
        visible = np.flatnonzero([entry in entries for entry in rows.column("entry").to_pylist()])
        if len(visible) >= limit or len(rows) < wanted:
            break
        wanted *= 4
    rows = rows.take(visible)
    names = [entries[entry] for entry in rows.column("entry").to_pylist()]
    return Candidates(
        videos=np.array(names, np.str_),
        positions=rows.column("position").to_numpy().astype(np.int64),
        start_s=rows.column("start_s").to_numpy(),
        end_s=rows.column("end_s").to_numpy(),
        scores=(1 - rows.column("_distance").to_numpy()).astype(np.float32),
    ).best(limit, how="index")


def check_request(limit: int, between: tuple[float, float] | None) -> None:
    """Refuse what no frame can answer.

    Raises:
        SettingsError: the range is empty or not finite seconds, or the limit is below 1.
    """
    if limit < 1:
        raise SettingsError(f"limit must be 1 or more, received {limit}")
    if between is not None and not (np.isfinite(between).all() and between[0] < between[1]):
        raise SettingsError(f"between must be (start_s, end_s), finite, start before end, received {between}")


def _cells(rows: int) -> int:
    return max(1, round(math.sqrt(rows)))
