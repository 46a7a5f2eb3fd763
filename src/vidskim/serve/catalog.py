"""The videos of a store as they are known outside: by id, and by a place below a root; filtered before any ranking."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidskim.errors import StoreError
from vidskim.serve.refusal import RefusedError
from vidskim.serve.roots import Roots
from vidskim.store.reader import Reader

if TYPE_CHECKING:
    from vidskim.store.records import StoredVideo


@dataclass(frozen=True)
class Entry:
    """A stored video and its place, such as "clips/2024/dog.mp4"."""

    video: "StoredVideo"
    place: str

    @property
    def folder(self) -> str:
        """Of the place; empty if it has none."""
        return self.place.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which videos may answer; what is None, or empty, lets all pass.

    Args:
        folder: a place; videos in it and below.
        ids: of videos.
        name: part of the place, without regard to case.
        least_s: shortest duration.
        most_s: longest duration.
        after: indexed at or after, UTC, ISO 8601.
        before: indexed before.
    """

    folder: str | None = None
    ids: frozenset[str] | None = None
    name: str | None = None
    least_s: float | None = None
    most_s: float | None = None
    after: str | None = None
    before: str | None = None

    def passes(self, entry: Entry) -> bool:
        """Whether a video does."""
        video, folder = entry.video, (self.folder or "").strip("/")
        return (
            (not folder or f"{entry.folder}/".startswith(f"{folder}/"))
            and (self.ids is None or video.id in self.ids)
            and (not self.name or self.name.casefold() in entry.place.casefold())
            and (self.least_s is None or video.duration_s >= self.least_s)
            and (self.most_s is None or video.duration_s <= self.most_s)
            and (self.after is None or video.indexed_at >= self.after)
            and (self.before is None or video.indexed_at < self.before)
        )

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()


class Catalog:
    """Entries in order of place, read again when the store has changed. Safe to use from several threads."""

    def __init__(self, store: Reader, roots: Roots) -> None:
        self._store, self._roots = store, roots
        self._lock = threading.Lock()
        self._version = -1
        self._entries: dict[str, Entry] = {}

    def entries(self) -> dict[str, Entry]:
        """Video id -> entry."""
        version = self._store.version
        with self._lock:
            if version != self._version:
                entries = [Entry(video, self._roots.place(video.path)) for video in self._store.videos()]
                entries.sort(key=_order)
                self._entries = {entry.video.id: entry for entry in entries}
                self._version = version
            return self._entries

    def find(self, video_id: str) -> Entry:
        """One video.

        Raises:
            RefusedError: there is none of that id.
        """
        return _named(self.entries(), video_id)

    def select(self, selection: Selection) -> list[Entry]:
        """The entries that pass.

        Raises:
            RefusedError: an id is unknown.
        """
        entries = self.entries()
        if selection.ids is None:
            return list(filter(selection.passes, entries.values()))
        named = [_named(entries, video_id) for video_id in sorted(selection.ids)]
        return sorted(filter(selection.passes, named), key=_order)

    def folders(self) -> list[str]:
        """Every folder that holds a video."""
        return sorted({entry.folder for entry in self.entries().values() if entry.folder})

    def vanished(self, error: StoreError, video_id: str) -> Exception:
        """What to say after a read of one video failed: it was removed meanwhile, or the store has trouble."""
        gone = video_id not in self.entries()
        return RefusedError("no_video", f"the video {video_id[:100]!r} was removed") if gone else error


def _named(entries: dict[str, Entry], video_id: str) -> Entry:
    entry = entries.get(video_id)
    if entry is None:
        raise RefusedError(
            "no_video", f"no video with the id {video_id[:100]!r}; GET /v1/videos lists what there is"
        )
    return entry


def _order(entry: Entry) -> tuple[str, str]:
    return entry.place, entry.video.id


def paged(entries: Sequence[Entry], *, offset: int, limit: int) -> list[Entry]:
    """A page of them."""
    return list(entries[offset : offset + limit])
