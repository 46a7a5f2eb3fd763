"""The vectors of all visible entries, kept ready: a mapped file, and in memory what came since it was written.

Every answer is checked entry by entry against the videos table, so that a file from before a removal or an indexing is
completed or left aside, never believed. Deleting the file costs one reading of the store.
"""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vidskim.disk import locked
from vidskim.store.fetch import LISTED, fetch
from vidskim.store.location import Location, user_cache
from vidskim.store.matrix import Matrix, load_matrix, save_matrix
from vidskim.store.records import About, Frames

if TYPE_CHECKING:
    from lancedb.table import Table

Counts = dict[str, int]
FILE = "vectors.safetensors"
TAIL_ROWS = 16_384  # as many as are read in a moment; more go into the file
_WAIT_S = 600.0  # for another process that writes the same file
_logger = logging.getLogger(__name__)


class Cache:
    """Matrices that hold every entry that is asked for. Safe to use from several threads.

    Args:
        location: of the store.
        about: what the vectors have in common.
        table: that holds them.
        file: name of the file, another one for each table.
    """

    def __init__(self, location: Location, *, about: About, table: "Table", file: str = FILE) -> None:
        self._folders = list(dict.fromkeys((location.cache, user_cache(location.uri))))
        self._about, self._table, self._name = about, table, file
        self._file = self._tail = self._room({})
        self._held: Counts = {}  # what was asked for last, and is there: the same again is not looked up
        self._lock = threading.Lock()

    def matrices(self, counts: Counts) -> tuple[Matrix, Matrix]:
        """The file's rows and those in memory. Each of the entries is in one of them; others may be too.

        Args:
            counts: rows of each entry, as of one view; not to be changed afterwards.

        Raises:
            BehindError: rows of theirs are gone.
        """
        with self._lock:
            if counts is not self._held:
                if not counts.keys() <= self._file.entries.keys() | self._tail.entries.keys():
                    self._complete(counts)
                self._held = counts
            return self._file, self._tail

    def each(self, counts: Counts) -> Iterator[tuple[str, Matrix]]:
        """Some entries with their rows, not copied and in any order, without writing a file for it.

        What neither file nor memory has is read from the table, so many rows at a time as are read in a moment.

        Args:
            counts: rows of each of them.

        Raises:
            BehindError: rows of theirs are gone.
        """
        with self._lock:
            if not (self._file.entries or self._tail.entries):
                self._file = next(filter(None, map(self._load, self._folders)), self._file)
            parts = {
                entry: part for part in (self._tail, self._file) for entry in counts.keys() & part.entries
            }
        yield from ((entry, part.only(entry)) for entry, part in parts.items())
        for together in _in_batches({entry: n for entry, n in counts.items() if entry not in parts}):
            read = self._room(together)
            fetch(self._table, read, together)
            yield from ((entry, read.only(entry)) for entry in together)

    def frames(self, entry: str, count: int) -> Frames:
        """One entry's rows, copied; as `each`."""
        ((_, rows),) = self.each({entry: count})
        return rows.frames(entry)

    def _room(self, counts: Counts) -> Matrix:
        return Matrix.empty(counts, dimensions=self._about.dimensions)

    def _complete(self, counts: Counts) -> None:
        for folder in self._folders:  # another process may have written one
            if self._serves(self._load(folder), counts):
                break
        if self._must_write(counts):
            self._write(counts)
            return
        outside = {entry: count for entry, count in counts.items() if entry not in self._file.entries}
        tail = self._room(outside)
        self._gather(tail)
        self._tail = tail

    def _serves(self, file: Matrix | None, counts: Counts) -> bool:
        """Take a file over if it holds more of them than the one in use; whether it needs no rewriting."""
        if file is not None and len(counts.keys() & file.entries.keys()) > len(
            counts.keys() & self._file.entries.keys()
        ):
            self._file = file
        return not self._must_write(counts)

    def _must_write(self, counts: Counts) -> bool:
        """Whether too many of them are missing in the file, or too much of the file is of no use any more."""
        inside = sum(count for entry, count in counts.items() if entry in self._file.entries)
        outside = sum(counts.values()) - inside
        return outside > TAIL_ROWS or len(self._file) - inside > max(TAIL_ROWS, inside)

    def _write(self, counts: Counts) -> None:
        """Everything into a new file; into memory where none can be written."""
        for folder in self._folders:
            try:
                with locked(folder, wait_s=_WAIT_S):
                    if self._serves(self._load(folder), counts):
                        return self._complete(counts)
                    save_matrix(folder / self._name, counts, about=self._about, fill=self._gather)
                    written = self._load(folder)
            except OSError as error:
                _logger.warning("no cache in %s: %s", folder, error)
                continue
            if written is not None:
                self._file, self._tail = written, self._room({})
                return None
        matrix = self._room(counts)
        self._gather(matrix)
        self._file, self._tail = matrix, self._room({})
        return None

    def _gather(self, matrix: Matrix) -> None:
        """Fill a matrix from what is here already, and the rest from the table."""
        filed = [entry for entry in matrix.entries if entry in self._file.entries]
        rest = [entry for entry in matrix.entries if entry not in self._file.entries]
        matrix.copy_from(self._file, filed)
        matrix.copy_from(self._tail, [entry for entry in rest if entry in self._tail.entries])
        fetch(self._table, matrix, [entry for entry in rest if entry not in self._tail.entries])

    def _load(self, folder: Path) -> Matrix | None:
        return load_matrix(folder / self._name, about=self._about)


def _in_batches(counts: Counts) -> Iterator[Counts]:
    """So many entries that they have `TAIL_ROWS` rows together, or one that has more."""
    batch: Counts = {}
    for entry, count in counts.items():
        if batch and (sum(batch.values()) + count > TAIL_ROWS or len(batch) == LISTED):
            yield batch
            batch = {}
        batch[entry] = count
    if batch:
        yield batch
