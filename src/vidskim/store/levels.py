"""Vectors of segments and of whole videos, which lie in tables of their own beside those of frames, read.

They are few, one for some seconds and one a video, and always all compared.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from torch import Tensor

from vidskim.errors import FingerprintError, StoreError, unknown_name
from vidskim.fingerprint import Fingerprint
from vidskim.store.admission import check_query
from vidskim.store.cache import Cache
from vidskim.store.exact import search_exact
from vidskim.store.nearest import check_request
from vidskim.store.records import About, Frames, Hits, LevelVectors, Vectors
from vidskim.store.schema import SEGMENTS, WHOLES
from vidskim.store.tables import LevelTables, Tables
from vidskim.store.view import View, listed_ids

Level = Literal["segment", "video"]
LEVELS = ("segment", "video")
_Answer = TypeVar("_Answer")


class Read(Protocol):
    """Reads at one version, and starts over with the latest if a writer deleted what was being read."""

    def __call__(self, answer: Callable[[View], _Answer], /) -> _Answer: ...


class Levels:
    """What a store holds of segments and whole videos. From `Reader.levels`; safe to use from several threads."""

    def __init__(self, tables: Tables, *, read: Read) -> None:
        self._tables, self._read = tables, read
        self._caches: dict[str, Cache] = {}
        self._made = ""

    @property
    def about(self) -> About:
        """Fingerprint and dimensions that all of these vectors share.

        Raises:
            StoreError: the store keeps none.
        """
        return self.tables.about

    @property
    def tables(self) -> LevelTables:
        """The tables they lie in.

        Raises:
            StoreError: the store keeps none.
        """
        if self._tables.levels is None:
            raise no_levels(self._tables.location.uri)
        return self._tables.levels

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Refuse vectors of another model, adapter, plan or length of segments, before hours of encoding.

        Raises:
            FingerprintError: they may not be compared with those in the store.
        """
        about = self.about
        if fingerprint.digest == about.fingerprint.digest:
            return
        uri = self._tables.location.uri
        lines = [f"{uri} holds vectors of segments and videos of another retrieval model, adapter or plan:"]
        lines += [f"  {difference}" for difference in about.fingerprint.differences(fingerprint)]
        remedy = (
            "Nothing was changed; index with the one that made them (leave out --retrieval and its options), use "
            f"another store (vidskim index VIDEOS --store OTHER), or encode every video again "
            f"(vidskim index VIDEOS --store {uri} --retrieval MODEL --reindex)."
        )
        raise FingerprintError("\n".join([*lines, remedy]), remedy="overwrite")

    def count(self) -> tuple[int, int]:
        """How many videos have such vectors, and how many segments they have."""
        counts = self._read(lambda view: view.segments)
        return len(counts), sum(counts.values())

    def lacking(self) -> list[str]:
        """Ids of the videos that have none, in order."""
        return self._read(lambda view: list(view.lacking))

    def nearest(
        self,
        query: Tensor | Vectors,
        *,
        level: Level,
        limit: int = 10,
        folder: str | Path | None = None,
        ids: Iterable[str] | None = None,
        between: tuple[float, float] | None = None,
    ) -> Hits:
        """The segments, or the videos, whose vectors are nearest to a query, by cosine; every one is compared.

        Args:
            query: float [d], unit length, of the model that made these vectors.
            level: "segment" or "video".
            limit: how many at most.
            folder: only videos in this folder or URI and below.
            ids: only these videos.
            between: only segments that overlap this half-open range of seconds in their video.

        Raises:
            SettingsError: level, limit or between is not allowed.
            StoreError: the query does not fit, an id is unknown, or the store keeps no such vectors.
        """
        if level not in LEVELS:
            raise unknown_name("level", level, LEVELS)
        check_request(limit, between)
        wanted = listed_ids(ids)

        def answer(view: View) -> Hits:
            column = check_query(query, dimensions=self.about.dimensions)
            counts = _counts(view, level)
            chosen = view.select(folder=folder, ids=wanted).items()
            entries = {entry: video for entry, video in chosen if entry in counts}
            matrices = self._cache(level).matrices(counts)
            return search_exact(matrices, column, limit=limit, entries=entries, between=between)

        return self._read(answer)

    def best_segments(self, query: Tensor | Vectors, ids: Iterable[str]) -> dict[str, Hits]:
        """The segment nearest to a query of each of some videos.

        Args:
            query: float [d], unit length, of the model that made these vectors.
            ids: of the videos.

        Returns:
            Video id -> one hit; videos that are not there, or have no segments, are left out.

        Raises:
            StoreError: the query does not fit, or the store keeps no such vectors.
        """
        wanted = list(ids)

        def answer(view: View) -> dict[str, Hits]:
            column = check_query(query, dimensions=self.about.dimensions)
            parts = self._cache("segment").matrices(view.segments)
            entries = {video: view.entry_of.get(video, "") for video in wanted}
            found = {}
            for video, entry in entries.items():
                if entry in view.segments:
                    rows = next(part for part in parts if entry in part.entries).only(entry)
                    found[video] = search_exact([rows], column, limit=1, entries={entry: video}, between=None)
            return found

        return self._read(answer)

    def of(self, video_id: str) -> LevelVectors | None:
        """The vectors of one video; None if it has none.

        Raises:
            StoreError: there is no such video, or the store keeps no such vectors.
        """

        def answer(view: View) -> LevelVectors | None:
            entry = view.video(video_id).entry
            if entry not in view.segments:
                return None
            held, whole = (self._rows(view, level, entry) for level in LEVELS)
            fingerprint = self.about.fingerprint
            return LevelVectors(held.vectors, held.start_s, held.end_s, whole.vectors[0], fingerprint)

        return self._read(answer)

    def _rows(self, view: View, level: str, entry: str) -> Frames:
        return self._cache(level).frames(entry, _counts(view, level)[entry])

    def _cache(self, level: str) -> Cache:
        tables = self.tables
        if self._made != tables.about.store:  # none yet, or those of other vectors, which were replaced
            self._caches = {
                name: Cache(
                    self._tables.location, about=tables.about, table=table, file=f"{file}.safetensors"
                )
                for name, table, file in (
                    ("segment", tables.segments, SEGMENTS),
                    ("video", tables.wholes, WHOLES),
                )
            }
            self._made = tables.about.store
        return self._caches[level]


def no_levels(uri: str) -> StoreError:
    """What to say of a store that keeps no vectors of segments and whole videos."""
    return StoreError(
        f"{uri} holds no vectors of segments and whole videos; "
        f"`vidskim index VIDEOS --store {uri} --retrieval MODEL` makes them, with the --model and "
        "--method that made the store"
    )


def _counts(view: View, level: str) -> dict[str, int]:
    return view.segments if level == "segment" else view.wholes
