"""What keeps a store quick and small: leftovers swept, fragments joined, old versions deleted, the index remade.

Only the holder of the store's lock may do these.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from vidskim.store.nearest import build_index, find_index
from vidskim.store.records import StoredVideo
from vidskim.store.schema import one_of
from vidskim.store.view import View

if TYPE_CHECKING:
    from lancedb.table import Table

    from vidskim.store.tables import Tables

FRAGMENTS = 64  # an append makes one; so many small ones, and they are joined
SMALL_ROWS = 16_384  # what joining makes; larger fragments are left alone, so that no row is rewritten often
LARGE_ROWS = 1_048_576
KEPT = timedelta(minutes=10)  # for readers in the middle of a search
_DELETED = 500  # entries named in one deletion
_BESIDE = 0.01  # share of rows beside the index that `compact` leaves so


def sweep(tables: "Tables") -> int:
    """Delete rows of entries that no video names, left by a kill; how many there were."""
    view = View(version=0, table=tables.videos.to_arrow())
    left = _sweep(tables.frames, view.counts)
    if tables.levels is not None:
        left += _sweep(tables.levels.segments, view.segments)
        left += _sweep(tables.levels.wholes, dict.fromkeys(view.segments, 1))
    return left


def _sweep(table: "Table", named: Mapping[str, int]) -> int:
    """The same of one table; named says how many rows each entry has."""
    left = table.count_rows() - sum(named.values())
    if left == 0:
        return 0
    leftover = set[str]()
    for batch in table.search().select(["entry"]).to_batches():
        leftover |= set(batch.column("entry").unique().to_pylist()) - named.keys()
    _delete(table, sorted(leftover))
    return int(left)


def delete_vectors(tables: "Tables", videos: Iterable[StoredVideo]) -> None:
    """Delete the vectors of some videos."""
    chosen = list(videos)
    _delete(tables.frames, [video.entry for video in chosen])
    if tables.levels is not None:
        entries = [video.entry for video in chosen if video.segments is not None]
        _delete(tables.levels.segments, entries)
        _delete(tables.levels.wholes, entries)


def _delete(table: "Table", entries: list[str]) -> None:
    for start in range(0, len(entries), _DELETED):
        table.delete(one_of("entry", entries[start : start + _DELETED]))


def tend(tables: "Tables") -> bool:
    """After an append: join small fragments once there are many. Whether that was so."""
    every = (tables.videos, *tables.vectors)
    if max(map(_small_fragments, every)) < FRAGMENTS:
        return False
    for table in every:
        _join(table, rows=SMALL_ROWS)
        _clean(table, kept=KEPT, unfinished=False)
    return True


def compact(tables: "Tables") -> None:
    """Join everything, remake an index that much came beside of, delete every old version and unfinished file."""
    sweep(tables)
    for table in (tables.videos, *tables.vectors):
        _join(table, rows=LARGE_ROWS)
    index = find_index(tables.frames)
    if index is not None and index.beside > index.rows * _BESIDE:
        build_index(tables.frames)
    for table in (tables.videos, *tables.vectors):
        _clean(table, kept=timedelta(0), unfinished=True)


def _small_fragments(table: "Table") -> int:
    stats = table.stats()
    return int(stats["fragment_stats"]["num_fragments"]) - int(stats["num_rows"]) // SMALL_ROWS


def _join(table: "Table", *, rows: int) -> None:
    table.to_lance().optimize.compact_files(target_rows_per_fragment=rows)
    table.checkout_latest()


def _clean(table: "Table", *, kept: timedelta, unfinished: bool) -> None:
    table.to_lance().cleanup_old_versions(older_than=kept, delete_unverified=unfinished)
