"""The store: vectors of many videos in one place, searched by a vector.

    store = Store.open_or_create("library", fingerprint=encoder.fingerprint, dimensions=512)
    store.add(record, vectors=..., start_s=..., end_s=..., kinds=..., fingerprint=encoder.fingerprint)
    hits = store.nearest(words, limit=10)

A video is there wholly or not at all: its vectors are appended first, and the one row that names them makes it visible.
Vectors that no row names, left by a kill, are not seen by readers and are deleted by the next writer. One process
writes at a time, held apart by a lock in a local folder; on an object store the user sees to it. Readers need no lock;
they see the latest finished version at each call. Start worker processes with spawn, never with fork.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vidskim.errors import StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.store import nearest, upkeep
from vidskim.store.admission import admit
from vidskim.store.identity import Identity
from vidskim.store.location import Location
from vidskim.store.records import (
    About,
    Compaction,
    Floats,
    LevelVectors,
    StoredVideo,
    Vectors,
    VideoRecord,
    last_part,
    stored_path,
)
from vidskim.store.schema import one_of
from vidskim.store.tables import Tables, reported
from vidskim.store.writer import Writer, hold


class Store(Writer):
    """Reads and writes. Use `open`, `create` or `open_or_create`."""

    @classmethod
    def open(cls, uri: str | Path) -> "Store":
        """Open a store.

        Args:
            uri: a folder, or an object-store URI such as "s3://bucket/store".

        Raises:
            StoreError: there is none, it cannot be read, or it is of another format.
        """
        return cls(Tables.open(Location.of(uri)))

    @classmethod
    def create(
        cls,
        uri: str | Path,
        *,
        fingerprint: Fingerprint,
        dimensions: int,
        origin: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> "Store":
        """Make an empty store.

        Args:
            uri: a folder, or an object-store URI.
            fingerprint: of the extractor whose vectors it will hold.
            dimensions: length of a vector.
            origin: how to get the extractor again; see `About`.
            overwrite: empty a store that is there already. Not undone by a kill: afterwards there is none.

        Raises:
            StoreError: there is one already, or the place cannot be written.
        """
        location = Location.of(uri)
        about = About(uuid.uuid4().hex, fingerprint, dimensions, _now(), dict(origin or {}))
        with reported(location, "made"), hold(location):
            return cls(Tables.create(location, about, overwrite=overwrite))

    @classmethod
    def open_or_create(
        cls,
        uri: str | Path,
        *,
        fingerprint: Fingerprint,
        dimensions: int,
        origin: Mapping[str, Any] | None = None,
    ) -> "Store":
        """Open the store, or make it if there is none yet; arguments as in `create`.

        Raises:
            FingerprintError: there is one, with vectors of another extractor.
            StoreError: it cannot be read or made.
        """
        if not Tables.exist(Location.of(uri)):
            return cls.create(uri, fingerprint=fingerprint, dimensions=dimensions, origin=origin)
        store = cls.open(uri)
        store.check_fingerprint(fingerprint)
        return store

    def add(
        self,
        video: VideoRecord,
        *,
        vectors: Tensor | Vectors,
        start_s: Sequence[float] | Floats,
        end_s: Sequence[float] | Floats,
        kinds: Sequence[str] | NDArray[np.str_],
        fingerprint: Fingerprint,
        levels: LevelVectors | None = None,
    ) -> StoredVideo:
        """Commit one video. One that was stored under the same path is replaced, at one stroke, and keeps its id.

        Args:
            video: what is known of it.
            vectors: float32 [t, d], unit length, t of 1 or more.
            start_s: seconds [t], never falling.
            end_s: seconds [t], each after its start.
            kinds: "I" or "P", [t].
            fingerprint: of the extractor that made the vectors.
            levels: vectors of its segments and of the whole, if the store keeps such; see `keep_levels`.

        Raises:
            FingerprintError: the store holds vectors of another extractor.
            StoreError: the vectors are refused (see `admission`), or cannot be written, or the store keeps no vectors
                of segments. The store is as before.
        """
        self.check_fingerprint(fingerprint)
        frames = admit(
            vectors,
            start_s=start_s,
            end_s=end_s,
            kinds=kinds,
            dimensions=self.about.dimensions,
            name=video.name,
        )
        with self._writing():
            earlier, identifier = self._place(video)
            stored = StoredVideo(
                **{field.name: getattr(video, field.name) for field in fields(VideoRecord)},
                id=identifier,
                frames=len(frames),
                fingerprint=fingerprint.digest,
                indexed_at=_now(),
                entry=uuid.uuid4().hex,
                segments=None if levels is None else len(levels),
            )
            self._append(stored, frames, levels)
            self._put(stored)
            if earlier is not None:
                upkeep.delete_vectors(self._tables, [earlier])
            self._swept = True
            self._tend()
        return stored

    def remove(self, video_ids: Iterable[str]) -> list[StoredVideo]:
        """Remove videos and their vectors; gives back what was known of them. `compact` frees the room.

        Raises:
            StoreError: an id is not in the store; nothing was removed.
        """
        with self._writing():
            self.refresh()
            removed = self.videos(ids=video_ids)
            if removed:
                self._swept = False
                self._tables.videos.delete(one_of("id", [video.id for video in removed]))
                upkeep.delete_vectors(self._tables, removed)
                self._swept = True
        return removed

    def move(self, video_id: str, path: str | Path, *, identity: Identity | None = None) -> StoredVideo:
        """Note that a video lies elsewhere now; its vectors stay.

        Args:
            video_id: of the video.
            path: where it lies now.
            identity: of the file there, if its modification time is another; without it the old one is kept.

        Raises:
            StoreError: no such video, or another one is stored under that path.
        """
        where = stored_path(path)
        with self._writing():
            self.refresh()
            video = self.video(video_id)
            named = video.name != last_part(video.path)
            moved = replace(
                video,
                path=where,
                name=video.name if named else last_part(where),
                identity=identity or video.identity,
            )
            others = [each.id for each in self._rows(one_of("path", [where])) if each.id != video_id]
            if others:
                raise StoreError(
                    f"{where} is stored already, as video {others[0]}; remove one of the two first"
                )
            self._put(moved)
            self._tend()
        return moved

    def compact(self) -> Compaction:
        """Delete what removals, kills and old versions left, and join small files. A reader meanwhile starts over."""
        with self._writing():
            before = self._tables.bytes_on_disk()
            upkeep.compact(self._tables)
            self._swept = True
            return Compaction(before, self._tables.bytes_on_disk())

    def keep_levels(
        self,
        *,
        fingerprint: Fingerprint,
        dimensions: int,
        origin: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Keep vectors of segments and whole videos from now on. Arguments are of the model that makes them.

        Videos that are there already have none until they are added again; `levels.lacking` names them.

        Args:
            overwrite: drop those of another model. Without, they are refused.

        Raises:
            FingerprintError: the store keeps such vectors of another model, adapter or plan.
            StoreError: it cannot be written.
        """
        about = About(uuid.uuid4().hex, fingerprint, dimensions, _now(), dict(origin or {}))
        with self._writing():
            if self._tables.levels is not None:
                if self._tables.levels.about.fingerprint.digest == fingerprint.digest:
                    return
                if not overwrite:
                    self._levels.check_fingerprint(fingerprint)
            self._tables.make_levels(about)

    def build_index(self) -> None:
        """Make or remake the index for approximate search; worth it above 200,000 frames.

        Raises:
            StoreError: the store is empty.
        """
        with self._writing():
            nearest.build_index(self._tables.frames)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
