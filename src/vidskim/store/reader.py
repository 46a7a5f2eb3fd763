"""The reading half of a store: what is in it, the nearest frames, one video's frames and scores."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import Tensor

from vidskim.errors import FingerprintError, StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.store.admission import check_query
from vidskim.store.cache import Cache
from vidskim.store.exact import multiply, search_exact_each
from vidskim.store.identity import Identity, is_gone
from vidskim.store.levels import Levels
from vidskim.store.nearest import How, Index, check_request, choose, find_index, search_index
from vidskim.store.records import About, Count, Curve, Frames, Hits, State, StoredVideo, Vectors, stored_path
from vidskim.store.tables import Tables, reported
from vidskim.store.view import BehindError, View, listed_ids, may_be_behind

OBJECT_STORE_FRESH_S = 2.0  # on an object store, asking for the latest version costs a round trip
_TRIES = 4
_Answer = TypeVar("_Answer")


class Reader:
    """Reads need no lock, and see the latest finished version at each call. Safe to use from several threads."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._cache = Cache(tables.location, about=tables.about, table=tables.frames)
        self._levels = Levels(tables, read=self._read)
        self._lock = threading.RLock()
        self._view: View | None = None
        self._indexed: tuple[int, Index | None] = (-1, None)
        self._looked = 0.0
        self._steady = threading.local()

    @property
    def uri(self) -> str:
        """Absolute folder or object-store URI."""
        return self._tables.location.uri

    @property
    def about(self) -> About:
        """Fingerprint and dimensions that all vectors share."""
        return self._tables.about

    @property
    def levels(self) -> Levels | None:
        """Vectors of segments and whole videos; None if the store keeps none."""
        self._fresh()
        return None if self._tables.levels is None else self._levels

    @property
    def version(self) -> int:
        """Rises with every change to the videos."""
        return self._fresh().version

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Refuse vectors of another extractor, before hours of encoding.

        Raises:
            FingerprintError: they may not be compared with those in the store.
        """
        if fingerprint.digest == self.about.fingerprint.digest:
            return
        lines = [f"{self.uri} holds vectors of another extractor:"]
        lines += [f"  {difference}" for difference in self.about.fingerprint.differences(fingerprint)]
        remedy = (
            "Nothing was changed; use another store (vidskim index VIDEOS --store OTHER), or encode every video "
            f"again (vidskim index VIDEOS --store {self.uri} --reindex)."
        )
        raise FingerprintError("\n".join([*lines, remedy]), remedy="overwrite")

    def refresh(self) -> bool:
        """Move on to the latest version now; whether there was a newer one.

        Raises:
            StoreError: the store is gone, or was made anew since it was opened.
        """
        with self._lock:
            before = self._view
            with reported(self._tables.location, "read"):
                for left in reversed(range(_TRIES)):
                    try:
                        self._view = self._latest()
                        break
                    except BehindError as error:
                        if not left:
                            raise RuntimeError(str(error)) from error
            self._looked = time.monotonic()
            return self._view is not before

    @contextmanager
    def steady(self) -> Iterator[None]:
        """For many small reads of one answer: this thread looks for a newer version now, and not at each of them."""
        before = self._is_steady
        self._fresh()
        self._steady.on = True
        try:
            yield
        finally:
            self._steady.on = before

    def count(self) -> Count:
        """How many videos and frames there are."""
        counts = self._fresh().counts
        return Count(videos=len(counts), frames=sum(counts.values()))

    def bytes_on_disk(self) -> int:
        """Bytes of the folder with index, cache and old versions; on an object store, of the tables alone."""
        with reported(self._tables.location, "measured"):
            return self._tables.bytes_on_disk()

    def videos(
        self, *, folder: str | Path | None = None, ids: Iterable[str] | None = None
    ) -> list[StoredVideo]:
        """The videos, in order of path.

        Args:
            folder: only those in this folder or URI and below.
            ids: only these.

        Raises:
            StoreError: an id is not in the store.
        """
        view = self._fresh()
        return view.videos(view.select(folder=folder, ids=ids).values())

    def video(self, video_id: str) -> StoredVideo:
        """One video.

        Raises:
            StoreError: there is none of that id.
        """
        return self._fresh().video(video_id)

    def state_of(self, path: str | Path, identity: Identity) -> State:
        """How a file stands to the store: new, unchanged, changed, or moved here from a path that is gone.

        Args:
            path: where the file is; a relative one counts from where the process runs.
            identity: of the file as it is now; see `identify`.
        """
        view, where = self._fresh(), stored_path(path)
        if where in view.by_path:
            video = view.video(view.by_path[where])
            return State("unchanged" if video.identity == identity else "changed", video)
        for video_id in view.by_content.get((identity.size, identity.head_tail_hash), []):
            video = view.video(video_id)
            if is_gone(video.path):
                return State("moved", video)
        return State("new")

    def nearest(
        self,
        query: Tensor | Vectors,
        *,
        limit: int = 10,
        folder: str | Path | None = None,
        ids: Iterable[str] | None = None,
        between: tuple[float, float] | None = None,
        how: How = "auto",
    ) -> Hits:
        """The frames whose vectors are nearest to a query, by cosine.

        Args:
            query: float [d], unit length.
            limit: how many at most.
            folder: only videos in this folder or URI and below.
            ids: only these videos.
            between: only frames that overlap this half-open range of seconds in their video.
            how: "exact" compares every vector that may answer; "index" asks the index, which may miss some; "auto"
                takes the index above 200,000 frames that may answer, if it is there and covers all but 20,000 of them.
                The hits say which it was.

        Raises:
            SettingsError: limit, between or how is not allowed.
            StoreError: the query does not fit, an id is unknown, or there is no index.
        """
        return self.nearest_each([query], limit=limit, folder=folder, ids=ids, between=between, how=how)[0]

    def nearest_each(
        self,
        queries: Sequence[Tensor | Vectors],
        *,
        limit: int = 10,
        folder: str | Path | None = None,
        ids: Iterable[str] | None = None,
        between: tuple[float, float] | None = None,
        how: How = "auto",
    ) -> list[Hits]:
        """As `nearest` for several queries at once; exact search then goes through the vectors once for all."""
        check_request(limit, between)
        columns = np.stack([check_query(query, dimensions=self.about.dimensions) for query in queries])
        wanted = listed_ids(ids)

        def answer(view: View) -> list[Hits]:
            entries = view.select(folder=folder, ids=wanted)
            rows, index = sum(view.counts[entry] for entry in entries), self._index()
            if choose(how, rows=rows, index=index) == "exact" or index is None:
                matrices = self._cache.matrices(view.counts)
                return search_exact_each(matrices, columns, limit=limit, entries=entries, between=between)
            return [
                search_index(
                    self._tables.frames,
                    column,
                    index=index,
                    limit=limit,
                    entries=entries,
                    everything=len(entries) == len(view.entries),
                    between=between,
                )
                for column in columns
            ]

        return self._read(answer)

    def frames(self, video_id: str) -> Frames:
        """Vectors, times and kinds of one video, in order.

        Raises:
            StoreError: there is none of that id.
        """

        def answer(view: View) -> Frames:
            entry = view.video(video_id).entry
            return self._cache.frames(entry, view.counts[entry])

        return self._read(answer)

    def scores(self, video_ids: Iterable[str], query: Tensor | Vectors) -> dict[str, Curve]:
        """The cosine of every frame of some videos, read together, with a query, float [d] of unit length.

        Videos that are not there are left out.

        Raises:
            StoreError: the query does not fit.
        """
        column = check_query(query, dimensions=self.about.dimensions)

        def answer(view: View) -> dict[str, Curve]:
            wanted = [video for video in listed_ids(video_ids) or () if video in view.entry_of]
            videos = {view.entry_of[video]: video for video in wanted}
            rows = self._cache.each({entry: view.counts[entry] for entry in videos})
            return {videos[entry]: part.curve(multiply(part.vectors, column)) for entry, part in rows}

        return self._read(answer)

    def _latest(self) -> View:
        with may_be_behind():
            version = self._tables.refresh()
            if self._view is not None and self._view.version == version:
                return self._view
            self._tables.check_same()
            return View(version=version, table=self._tables.videos.to_arrow())

    def _index(self) -> Index | None:
        version = self._tables.frames.version
        if self._indexed[0] != version:
            with may_be_behind():
                self._indexed = (version, find_index(self._tables.frames))
        return self._indexed[1]

    @property
    def _is_steady(self) -> bool:
        return getattr(self._steady, "on", False)

    def _fresh(self) -> View:
        """The latest view; on an object store one that is a moment old at most; within `steady` the one there is."""
        with self._lock:
            remote = self._tables.location.folder is None
            old = time.monotonic() - self._looked >= OBJECT_STORE_FRESH_S
            if self._view is None or not (self._is_steady or (remote and not old)):
                self.refresh()
            assert self._view is not None
            return self._view

    def _read(self, answer: Callable[[View], _Answer]) -> _Answer:
        """Read; start over with the latest version if a writer deleted what was being read."""
        for left in reversed(range(_TRIES)):
            view = self._fresh()
            try:
                return answer(view)
            except BehindError as error:
                if not left:
                    raise StoreError(
                        f"{self.uri} is damaged, or changes faster than it can be read: {error}; try again; if that "
                        f"does not help, encode the videos anew: vidskim index VIDEOS --store {self.uri} --reindex"
                    ) from error
                self.refresh()
        raise AssertionError("unreachable")
