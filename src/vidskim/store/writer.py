"""How a store is written: under its lock, at its latest version, a video's row last."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vidskim.disk import locked
from vidskim.store import upkeep
from vidskim.store.admission import admit_levels
from vidskim.store.location import Location
from vidskim.store.reader import Reader
from vidskim.store.records import Frames, LevelVectors, StoredVideo, VideoRecord
from vidskim.store.schema import frame_rows, one_of, video_record, video_row
from vidskim.store.tables import Tables, reported

if TYPE_CHECKING:
    from lancedb.table import Table

LOCK_WAIT_S = 600.0  # making an index of a million frames takes minutes
_logger = logging.getLogger(__name__)


class Writer(Reader):
    """What every change to a store is made of."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._write_lock = threading.Lock()
        self._swept = False

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock, at the latest version, with no leftovers."""
        location = self._tables.location
        with reported(location, "written"), self._write_lock, hold(location):
            self._tables.refresh()
            self._tables.check_same()
            if not self._swept and location.folder is not None:
                upkeep.sweep(self._tables)
                self._swept = True
            yield

    def _place(self, video: VideoRecord) -> tuple[StoredVideo | None, str]:
        """What is stored under the video's path, and the id for it: the same, or one nobody has."""
        salt = 0
        while True:
            text = f"{video.path}\n{video.identity.head_tail_hash}\n{salt}"
            identifier = hashlib.sha256(text.encode()).hexdigest()[:12]
            rows = self._rows(f"{one_of('path', [video.path])} OR {one_of('id', [identifier])}")
            for row in rows:
                if row.path == video.path:
                    return row, row.id
            if not rows:
                return None, identifier
            salt += 1

    def _rows(self, condition: str) -> list[StoredVideo]:
        rows = self._tables.videos.search().where(condition).to_arrow().to_pylist()
        return [video_record(row) for row in rows]

    def _append(self, video: StoredVideo, frames: Frames, levels: LevelVectors | None) -> None:
        """Write a video's vectors, which nobody sees yet: of its frames, and of its segments and the whole.

        Raises:
            FingerprintError: those of segments are of another model.
            StoreError: they are refused, or the store keeps none. Nothing was written.
        """
        parts: list[tuple[Table, Frames]] = [(self._tables.frames, frames)]
        if levels is not None:
            self._levels.check_fingerprint(levels.fingerprint)
            kept = self._levels.tables
            both = admit_levels(levels, dimensions=kept.about.dimensions, name=video.name)
            parts += zip((kept.segments, kept.wholes), both, strict=True)
        self._swept = False  # until the row is there, they are leftovers
        for table, rows in parts:
            table.add(frame_rows(rows, entry=video.entry))

    def _put(self, video: StoredVideo) -> None:
        """Insert or replace a row, in one commit."""
        merge = self._tables.videos.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(video_row(video).select(self._tables.videos.schema.names))

    def _tend(self) -> None:
        """What was added is committed: trouble with the upkeep is told, not raised."""
        try:
            upkeep.tend(self._tables)
        except (RuntimeError, ValueError, OSError) as error:
            _logger.warning("%s: upkeep was put off: %s", self.uri, error)


@contextmanager
def hold(location: Location) -> Iterator[None]:
    """Hold the lock of a local folder; on an object store the user sees to it that one process writes."""
    if location.folder is None:
        yield
        return
    with locked(location.folder, wait_s=LOCK_WAIT_S):
        yield
