"""The store as a reader sees it at one version: which videos there are and where their vectors come from."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from vidskim.errors import StoreError, VidskimError
from vidskim.store.location import Location
from vidskim.store.records import StoredVideo
from vidskim.store.schema import video_record


class BehindError(Exception):
    """What was read does not fit together: a writer was faster. Never leaves the room; reading starts over."""


@contextmanager
def may_be_behind() -> Iterator[None]:
    """The database's errors while it reads: most likely a writer deleted the version that is being read.

    Raises:
        BehindError: in their place.
    """
    try:
        yield
    except VidskimError:
        raise
    except (RuntimeError, ValueError, OSError) as error:
        raise BehindError(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class View:
    """One version of the videos table.

    Args:
        version: of the videos table.
        table: its rows.
    """

    version: int
    table: pa.Table

    @cached_property
    def entries(self) -> dict[str, str]:
        """Entry -> video id."""
        return dict(zip(self._column("entry"), self._column("id"), strict=True))

    @cached_property
    def entry_of(self) -> dict[str, str]:
        """Video id -> entry."""
        return {video: entry for entry, video in self.entries.items()}

    @cached_property
    def counts(self) -> dict[str, int]:
        """Entry -> number of frames."""
        return dict(zip(self._column("entry"), self._column("frames"), strict=True))

    @cached_property
    def segments(self) -> dict[str, int]:
        """Entry -> number of segments, of the videos that have vectors of segments and of the whole."""
        if "segments" not in self.table.column_names:
            return {}
        counts = zip(self._column("entry"), self._column("segments"), strict=True)
        return {entry: count for entry, count in counts if count is not None}

    @cached_property
    def wholes(self) -> dict[str, int]:
        """Entry -> 1, the vector of the whole, of the same videos."""
        return dict.fromkeys(self.segments, 1)

    @cached_property
    def lacking(self) -> tuple[str, ...]:
        """Ids of the videos that have no vectors of segments and of the whole, in order."""
        return tuple(sorted(video for entry, video in self.entries.items() if entry not in self.segments))

    @cached_property
    def rows(self) -> dict[str, int]:
        """Video id -> row of the table."""
        return {video: row for row, video in enumerate(self._column("id"))}

    @cached_property
    def by_path(self) -> dict[str, str]:
        """Path -> video id."""
        return dict(zip(self._column("path"), self._column("id"), strict=True))

    @cached_property
    def by_content(self) -> dict[tuple[int, str], list[str]]:
        """(size, hash of head and tail) -> ids of the videos with it, in order."""
        found: dict[tuple[int, str], list[str]] = {}
        for size, digest, video in sorted(
            zip(self._column("size"), self._column("head_tail_hash"), self._column("id"), strict=True)
        ):
            found.setdefault((size, digest), []).append(video)
        return found

    def video(self, video: str) -> StoredVideo:
        """One video.

        Raises:
            StoreError: there is none of that id.
        """
        if video not in self.rows:
            raise StoreError(
                f"no video {video!r} among the {len(self.rows)} stored; `vidskim store list` shows ids"
            )
        return video_record(self.table.slice(self.rows[video], 1).to_pylist()[0])

    def videos(self, ids: Iterable[str] | None = None) -> list[StoredVideo]:
        """Some or all videos, in order of path."""
        chosen = self.table
        if ids is not None:
            chosen = chosen.take(pa.array(sorted(self.rows[video] for video in ids), pa.int64()))
        return sorted(map(video_record, chosen.to_pylist()), key=lambda video: video.path)

    def select(self, *, folder: str | Path | None, ids: Iterable[str] | None) -> dict[str, str]:
        """The entries of the videos that pass both filters, entry -> video id.

        Args:
            folder: a folder or URI; videos in it and below pass.
            ids: videos that pass.

        Raises:
            StoreError: an id is not in the store.
        """
        chosen, ids = self.entries, listed_ids(ids)
        if ids is not None:
            wanted = set(ids)
            for video in sorted(wanted - self.rows.keys()):
                self.video(video)
            chosen = {self.entry_of[video]: video for video in wanted}
        if folder is not None:
            root = Location.of(folder).uri
            paths = dict(zip(self._column("entry"), self._column("path"), strict=True))
            chosen = {entry: video for entry, video in chosen.items() if _below(paths[entry], root)}
        return chosen

    def _column(self, name: str) -> list[Any]:
        values: list[Any] = self.table.column(name).to_pylist()
        return values


def listed_ids(ids: Iterable[str] | None) -> list[str] | None:
    """Ids of videos, to be gone through more than once; one alone is a list of one."""
    return None if ids is None else [ids] if isinstance(ids, str) else list(ids)


def _below(path: str, root: str) -> bool:
    root = root.rstrip("/\\")
    return path == root or path.startswith((f"{root}/", f"{root}\\"))
