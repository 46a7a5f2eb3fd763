"""Text to moments over a whole store.

    result = search(store, encoder.encode_text(["a dog catches a ball"])[0], limit=10, min_score=0.2)
    for found in result.found:
        print(found.score, found.path, found.start_s, found.end_s)

The nearest frames name candidate videos; each candidate's whole curve is then cut into moments as grounding does it,
and all of these are ranked by their score, the maximum of the smoothed curve.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from vidskim.errors import SettingsError, StoreError
from vidskim.store.reader import Reader
from vidskim.store.records import Curve, Hits, Vectors
from vidskim.store.view import listed_ids
from vidskim.tasks.ground import ground
from vidskim.tasks.moment import Moment

SEARCH_WINDOW_S = 2.0  # shorter than grounding's: a search over many videos should find short events too
HITS_PER_RESULT = 16  # frames asked for at first; a moment at 3 frames/s holds about as many
HITS_GROWTH = 8  # asked again with so many times as many, if a video not seen yet could still reach the ranks
MOST_HITS = 16_384
CANDIDATES_PER_RESULT = 4  # videos whose curve is read, for each result wanted


@dataclass(frozen=True)
class Found:
    """One moment of one video.

    Args:
        video: id in the store.
        path: of the video.
        name: of the video.
        moment: where, and how well it fits: the maximum of the smoothed curve.
        best_s: time of the frame in it that fits best, seconds.
        best_score: cosine of that frame alone, before smoothing.
    """

    video: str
    path: str
    name: str
    moment: Moment
    best_s: float
    best_score: float

    @property
    def start_s(self) -> float:
        """Where the moment begins, seconds."""
        return self.moment.start_s

    @property
    def end_s(self) -> float:
        """Where the moment ends, seconds."""
        return self.moment.end_s

    @property
    def score(self) -> float:
        """Of the moment."""
        return self.moment.score


@dataclass(frozen=True)
class SearchResult:
    """The answer of a search.

    Args:
        found: best first; equal scores in order of video id, then time. Empty if nothing is good enough, or nothing
            may answer.
        how: "exact" (every vector was compared) or "index" (approximate).
        best_score: of the best moment, good enough or not; None if no frame may answer: the store is empty, or the
            filters leave nothing.
        min_score: what was asked for at least, or None.
    """

    found: tuple[Found, ...]
    how: Literal["exact", "index"]
    best_score: float | None
    min_score: float | None

    @property
    def is_good(self) -> bool | None:
        """Whether there is any match that is good enough; None where nothing says what is enough."""
        return None if self.min_score is None else bool(self.found)


def search(
    store: Reader,
    query: Tensor | Vectors,
    *,
    limit: int = 10,
    per_video: int | None = None,
    folder: str | Path | None = None,
    ids: Iterable[str] | None = None,
    between: tuple[float, float] | None = None,
    window_s: float | None = SEARCH_WINDOW_S,
    min_score: float | None = None,
) -> SearchResult:
    """The moments of a store that fit a query best.

    Videos are looked into in order of their nearest frame, until no further one can reach the ranks (no moment scores
    above its video's nearest frame), `CANDIDATES_PER_RESULT * limit` at most. A video none of whose frames is among
    the `MOST_HITS` nearest is not found.

    Args:
        store: to search.
        query: float [d], unit length, such as `encoder.encode_text([...])[0]`.
        limit: how many moments at most, 1 or more.
        per_video: how many moments of one video at most; None does not count.
        folder: only videos in this folder or URI and below.
        ids: only these videos.
        between: only this half-open range of seconds of each video, as if there were nothing else of it.
        window_s: width of the moving average in seconds; None does not smooth.
        min_score: moments with a lower score are no match. None takes whatever is nearest.

    Raises:
        SettingsError: a number is out of range.
        StoreError: the query does not fit, or an id is unknown.
    """
    return search_each(
        store,
        [query],
        limit=limit,
        per_video=per_video,
        folder=folder,
        ids=ids,
        between=between,
        window_s=window_s,
        min_score=min_score,
    )[0]


def search_each(
    store: Reader,
    queries: Sequence[Tensor | Vectors],
    *,
    limit: int = 10,
    per_video: int | None = None,
    folder: str | Path | None = None,
    ids: Iterable[str] | None = None,
    between: tuple[float, float] | None = None,
    window_s: float | None = SEARCH_WINDOW_S,
    min_score: float | None = None,
) -> list[SearchResult]:
    """As `search` for several queries with the same settings; the store's vectors are gone through once for all."""
    check_search(limit, per_video, min_score)
    wanted = listed_ids(ids)
    rankings = [
        Ranking(store, query, limit=limit, per_video=per_video, between=between, window_s=window_s)
        for query in queries
    ]
    unsettled, most = rankings, min(MOST_HITS, HITS_PER_RESULT * limit)
    with store.steady():
        while unsettled:
            asked = [ranking.query for ranking in unsettled]
            nearest = store.nearest_each(asked, limit=most, folder=folder, ids=wanted, between=between)
            pairs = zip(unsettled, nearest, strict=True)
            unsettled = [ranking for ranking, hits in pairs if not ranking.look_into(hits, most=most)]
            most = min(MOST_HITS, HITS_GROWTH * most)
        return [ranking.result(min_score) for ranking in rankings]


def check_search(limit: int, per_video: int | None, min_score: float | None) -> None:
    """Refuse what no search can answer, with a SettingsError."""
    if limit < 1:
        raise SettingsError(f"limit must be 1 or more, received {limit}")
    if per_video is not None and per_video < 1:
        raise SettingsError(f"per_video must be 1 or more, or None for any number, received {per_video}")
    if min_score is not None and not -1 <= min_score <= 1:
        raise SettingsError(f"min_score must be a cosine, -1 to 1, or None, received {min_score}")


@dataclass(frozen=True)
class _Cut:
    """A moment of a video that nothing more is known of yet."""

    video: str
    moment: Moment
    best_s: float
    best_score: float


class Ranking:
    """The moments found so far for one query; arguments as in `search`."""

    def __init__(
        self,
        store: Reader,
        query: Tensor | Vectors,
        *,
        limit: int,
        per_video: int | None,
        between: tuple[float, float] | None,
        window_s: float | None,
    ) -> None:
        self.query = query
        self._store, self._limit, self._per_video = store, limit, per_video
        self._between, self._window_s = between, window_s
        self._cuts: list[_Cut] = []  # best first
        self._looked: set[str] = set()
        self._how: Literal["exact", "index"] = "exact"

    def look_into(self, hits: Hits, *, most: int) -> bool:
        """Rank the moments of the videos of the `most` nearest frames; False if more frames could change the ranks."""
        self._how = hits.how
        videos_most = CANDIDATES_PER_RESULT * self._limit
        candidates = _candidates(hits, most=videos_most)
        unseen = [(video, score) for video, score in candidates if video not in self._looked]
        for first in range(0, len(unseen), self._limit):
            within = unseen[first : first + self._limit]
            if within[0][1] <= self._least:
                break
            self.add([video for video, _ in within])
        all_seen = len(hits) < most or most >= MOST_HITS or len(candidates) >= videos_most
        return all_seen or float(hits.scores[-1]) <= self._least

    def add(
        self, videos: Collection[str], *, touching: Mapping[str, Sequence[tuple[float, float]]] | None = None
    ) -> None:
        """Rank the moments of some videos; of half-open ranges of seconds, only those that overlap one of them."""
        self._looked.update(videos)
        for video, curve in self._store.scores(videos, self.query).items():
            if curve.scores.max(initial=-1) < self._least:
                continue
            cuts = _cut(video, curve, between=self._between, window_s=self._window_s)
            if touching is not None:
                cuts = [cut for cut in cuts if _overlaps(cut.moment, touching[video])]
            self._cuts = sorted([*self._cuts, *sorted(cuts, key=_rank)[: self._per_video]], key=_rank)

    def result(self, min_score: float | None) -> SearchResult:
        """The first ranks, as far as they are good enough."""
        good = [
            cut for cut in self._cuts[: self._limit] if min_score is None or cut.moment.score >= min_score
        ]
        best = self._cuts[0].moment.score if self._cuts else None
        return SearchResult(tuple(_named(self._store, good)), self._how, best, min_score)

    @property
    def is_full(self) -> bool:
        """Whether there are as many moments as were wanted."""
        return len(self._cuts) >= self._limit

    @property
    def _least(self) -> float:
        """The score of the last rank; a video whose nearest frame has no more cannot reach the ranks."""
        return self._cuts[self._limit - 1].moment.score if self.is_full else -math.inf


def _candidates(hits: Hits, *, most: int) -> list[tuple[str, float]]:
    """Videos in order of their best hit, each with its score."""
    scores: dict[str, float] = {}
    for row, video in enumerate(hits.videos):
        scores.setdefault(video, float(hits.scores[row]))
    return list(scores.items())[:most]


def _cut(
    video: str, curve: Curve, *, between: tuple[float, float] | None, window_s: float | None
) -> list[_Cut]:
    """The moments of one video."""
    start, end = between or (-math.inf, math.inf)
    inside = (curve.start_s < end) & (curve.end_s > start)
    if not inside.any():  # indexed again since its frames were found
        return []
    starts, scores = curve.start_s[inside], curve.scores[inside]
    cuts = []
    for moment in ground(scores, starts, window_s=window_s).moments:
        held = np.flatnonzero((starts >= moment.start_s) & (starts < moment.end_s))
        best = held[np.argmax(scores[held])]
        cuts.append(_Cut(video, moment, float(starts[best]), float(scores[best])))
    return cuts


def _overlaps(moment: Moment, ranges: Sequence[tuple[float, float]]) -> bool:
    return any(start < moment.end_s and end > moment.start_s for start, end in ranges)


def _rank(cut: _Cut) -> tuple[float, str, float]:
    return -cut.moment.score, cut.video, cut.moment.start_s


def _named(store: Reader, cuts: list[_Cut]) -> Iterator[Found]:
    """Moments with what is known of their videos; without those of videos that were removed meanwhile."""
    for cut in cuts:
        try:
            video = store.video(cut.video)
        except StoreError:
            continue
        yield Found(video.id, video.path, video.name, cut.moment, cut.best_s, cut.best_score)
