"""The LanceDB tables of one store: made, opened, read at one version. The only file that opens a database.

LanceDB runs threads of its own: start workers that use a store with spawn or forkserver, never with fork.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vidskim.errors import StoreError, VidskimError
from vidskim.store.location import Location, bytes_below
from vidskim.store.records import About
from vidskim.store.schema import (
    ABOUT,
    ABOUT_SCHEMA,
    FRAMES,
    LEVELS,
    SEGMENT_COUNT,
    SEGMENTS,
    VIDEO_SCHEMA,
    VIDEOS,
    WHOLES,
    about_record,
    about_row,
    frame_schema,
)

if TYPE_CHECKING:
    from lancedb.table import Table


_PLACES = re.compile(
    r", \S+\.rs:\d+|[\r\n]"
)  # where in the database's source; what follows is of no use to a reader


@dataclass(frozen=True)
class LevelTables:
    """The tables of vectors of segments and whole videos, open, and what these have in common."""

    about: About
    segments: "Table"
    wholes: "Table"


class Tables:
    """The tables, open. Use `open` or `create`.

    `levels` are those of segments and whole videos, None while the store keeps none.
    """

    def __init__(
        self, location: Location, *, database: Any, about: About, videos: "Table", frames: "Table"
    ) -> None:
        self.location, self.about = location, about
        self.videos, self.frames = videos, frames
        self._database = database
        self.levels: LevelTables | None = None
        self.levels = self._find_levels()
        self._found_at = int(videos.version)

    @classmethod
    def open(cls, location: Location) -> "Tables":
        """Open what is there.

        Raises:
            StoreError: there is no store, or it cannot be read.
        """
        if location.folder is not None and not location.folder.is_dir():
            raise StoreError(
                f"no store at {location.uri}; `vidskim index VIDEOS --store {location.uri}` makes one"
            )
        with reported(location, "opened"):
            database = _connect(location)
            names = set(database.list_tables().tables)
            if ABOUT not in names:
                raise StoreError(_no_store(location, names))
            about = about_record(database.open_table(ABOUT).to_arrow().to_pylist(), uri=location.uri)
            videos, frames = database.open_table(VIDEOS), database.open_table(FRAMES)
            return cls(location, database=database, about=about, videos=videos, frames=frames)

    @classmethod
    def create(cls, location: Location, about: About, *, overwrite: bool = False) -> "Tables":
        """Make an empty store; what an unfinished making left is replaced. `about` comes last, and goes first.

        Versions go on counting in a table that is replaced, so that readers notice.

        Raises:
            StoreError: there is a store already and it is not to be overwritten, or the place cannot be written.
        """
        with reported(location, "made"):
            database = _connect(location)
            there = set(database.list_tables().tables)
            if ABOUT in there:
                if not overwrite:
                    raise StoreError(
                        f"there is a store at {location.uri} already; open it, overwrite it, or choose another place"
                    )
                database.drop_table(ABOUT)
            for name in there & {LEVELS, SEGMENTS, WHOLES}:
                database.drop_table(name)
            schemas = {FRAMES: frame_schema(about.dimensions), VIDEOS: VIDEO_SCHEMA}
            frames, videos = (
                database.create_table(name, schema=schema, mode="overwrite" if name in there else "create")
                for name, schema in schemas.items()
            )
            database.create_table(ABOUT, about_row(about), schema=ABOUT_SCHEMA)
            return cls(location, database=database, about=about, videos=videos, frames=frames)

    @staticmethod
    def exist(location: Location) -> bool:
        """Whether there is a finished store."""
        if location.folder is not None and not location.folder.is_dir():
            return False
        with reported(location, "opened"):
            return ABOUT in _connect(location).list_tables().tables

    def check_same(self) -> None:
        """Look whether this is still the store that was opened.

        Raises:
            StoreError: it was made anew since, or is just being made.
        """
        with reported(self.location, "read"):
            if ABOUT not in self._database.list_tables().tables:
                raise StoreError(f"the store at {self.location.uri} is being made anew; open it again later")
            rows = self._database.open_table(ABOUT).to_arrow().to_pylist()
            if about_record(rows, uri=self.location.uri).store != self.about.store:
                raise StoreError(
                    f"the store at {self.location.uri} was made anew since it was opened; open it again"
                )

    @property
    def vectors(self) -> tuple["Table", ...]:
        """The tables that hold vectors."""
        return (
            (self.frames,) if self.levels is None else (self.frames, self.levels.segments, self.levels.wholes)
        )

    def make_levels(self, about: About) -> None:
        """Make empty tables of vectors of segments and whole videos, in place of those there are, whose vectors go.

        Videos are told first that they have none, so that a kill leaves nothing that is named and not there.
        """
        if SEGMENT_COUNT.name not in self.videos.schema.names:
            self.videos.add_columns(SEGMENT_COUNT)
        elif self.levels is not None:
            self.videos.update(values_sql={SEGMENT_COUNT.name: "NULL"})
        there = set(self._database.list_tables().tables)
        if LEVELS in there:
            self._database.drop_table(LEVELS)
        for name in (SEGMENTS, WHOLES):
            mode = "overwrite" if name in there else "create"
            self._database.create_table(name, schema=frame_schema(about.dimensions), mode=mode)
        self._database.create_table(LEVELS, about_row(about), schema=ABOUT_SCHEMA)
        self.levels = self._find_levels()

    def refresh(self) -> int:
        """Move on to the latest versions, videos first: whatever a row of theirs names is in what is read after it.

        Returns:
            The version of the videos.
        """
        self.videos.checkout_latest()
        version = int(self.videos.version)
        if version != self._found_at:  # tables of levels come, and go, with a change to the videos
            self.levels, self._found_at = self._find_levels(), version
        for table in self.vectors:
            table.checkout_latest()
        return version

    def bytes_on_disk(self) -> int:
        """Bytes of the tables, old versions and caches included; of an object store the newest version's only."""
        if self.location.folder is not None:
            return bytes_below(self.location.folder)
        return sum(int(table.stats()["total_bytes"]) for table in (self.videos, *self.vectors))

    def _find_levels(self) -> LevelTables | None:
        if LEVELS not in self._database.list_tables().tables:
            return None
        about = about_record(self._database.open_table(LEVELS).to_arrow().to_pylist(), uri=self.location.uri)
        if self.levels is not None and self.levels.about.store == about.store:
            return self.levels
        return LevelTables(about, self._database.open_table(SEGMENTS), self._database.open_table(WHOLES))


@contextmanager
def reported(location: Location, done: str) -> Iterator[None]:
    """Errors of the database as ours: it raises RuntimeError, ValueError and OSError alike.

    Raises:
        StoreError: in their place.
    """
    try:
        yield
    except VidskimError:
        raise
    except (RuntimeError, ValueError, OSError) as error:
        reason = _PLACES.split(str(error), maxsplit=1)[0].strip() or type(error).__name__
        raise StoreError(f"{location.uri} could not be {done}: {reason}") from error


def _connect(location: Location) -> Any:
    import lancedb

    return lancedb.connect(location.uri)


def _no_store(location: Location, names: set[str]) -> str:
    if {VIDEOS, FRAMES} & names:
        return (
            f"the store at {location.uri} was never finished: its making was interrupted; "
            f"`vidskim index VIDEOS --store {location.uri}` makes it"
        )
    return f"{location.uri} holds no store; `vidskim index VIDEOS --store {location.uri}` makes one"
