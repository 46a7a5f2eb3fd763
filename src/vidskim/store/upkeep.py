"""What keeps a store quick and small: leftovers swept, fragments joined, old versions deleted, the index remade.

Only the holder of the store's lock may do these.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from vidskim.store.nearest import build_index, find_index
from vidskim.store.schema import one_of

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
    named = tables.videos.search().select(["entry", "frames"]).to_arrow()
    left = tables.frames.count_rows() - sum(named.column("frames").to_pylist())
    if left == 0:
        return 0
    kept, leftover = set(named.column("entry").to_pylist()), set[str]()
    for batch in tables.frames.search().select(["entry"]).to_batches():
        leftover |= set(batch.column("entry").unique().to_pylist()) - kept
    delete_frames(tables, sorted(leftover))
    return int(left)


def delete_frames(tables: "Tables", entries: list[str]) -> None:
    """Delete the rows of some entries."""
    for start in range(0, len(entries), _DELETED):
        tables.frames.delete(one_of("entry", entries[start : start + _DELETED]))


def tend(tables: "Tables") -> bool:
    """After an append: join small fragments once there are many. Whether that was so."""
    if max(_small_fragments(tables.frames), _small_fragments(tables.videos)) < FRAGMENTS:
        return False
    for table in (tables.videos, tables.frames):
        _join(table, rows=SMALL_ROWS)
        _clean(table, kept=KEPT, unfinished=False)
    return True


def compact(tables: "Tables") -> None:
    """Join everything, remake an index that much came beside of, delete every old version and unfinished file."""
    sweep(tables)
    for table in (tables.videos, tables.frames):
        _join(table, rows=LARGE_ROWS)
    index = find_index(tables.frames)
    if index is not None and index.beside > index.rows * _BESIDE:
        build_index(tables.frames)
    for table in (tables.videos, tables.frames):
        _clean(table, kept=timedelta(0), unfinished=True)


def _small_fragments(table: "Table") -> int:
    stats = table.stats()
    return int(stats["fragment_stats"]["num_fragments"]) - int(stats["num_rows"]) // SMALL_ROWS


def _join(table: "Table", *, rows: int) -> None:
    table.to_lance().optimize.compact_files(target_rows_per_fragment=rows)
    table.checkout_latest()


def _clean(table: "Table", *, kept: timedelta, unfinished: bool) -> None:
    table.to_lance().cleanup_old_versions(older_than=kept, delete_unverified=unfinished)
