"""Text to moments over a whole store.

    result = search(store, encoder.encode_text(["a dog catches a ball"])[0], limit=10, min_score=0.2)
    for found in result.found:
        print(found.score, found.path, found.start_s, found.end_s)

The nearest frames name candidate videos; each candidate's whole curve is then cut into moments as grounding does it,
and all of these are ranked by their score, the maximum of the smoothed curve.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from vidskim.errors import SettingsError, StoreError
from vidskim.store.reader import Reader
from vidskim.store.records import Curve, Hits, StoredVideo, Vectors, stored_path
from vidskim.tasks.ground import WINDOW_S, Grounding, ground
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
    def is_good(self) -> bool:
        """Whether there is any match that is good enough."""
        return bool(self.found)


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
    _check(limit, per_video, min_score)
    wanted = None if ids is None else [ids] if isinstance(ids, str) else list(ids)
    most, videos_most = min(MOST_HITS, HITS_PER_RESULT * limit), CANDIDATES_PER_RESULT * limit
    cuts: list[_Cut] = []
    looked: set[str] = set()
    while True:
        hits = store.nearest(query, limit=most, folder=folder, ids=wanted, between=between)
        candidates = _candidates(hits, most=videos_most)
        for video, best_score in candidates:
            if _settled(cuts, limit, best_score):
                break
            if video in looked:
                continue
            looked.add(video)
            curve = _read_curve(store, video, query)
            if curve is not None:
                moments = _cut(video, curve, between=between, window_s=window_s)
                cuts = sorted([*cuts, *sorted(moments, key=_rank)[:per_video]], key=_rank)
        all_seen = len(hits) < most or most >= MOST_HITS or len(candidates) >= videos_most
        if all_seen or _settled(cuts, limit, float(hits.scores[-1])):
            break
        most = min(MOST_HITS, HITS_GROWTH * most)
    good = [cut for cut in cuts[:limit] if min_score is None or cut.moment.score >= min_score]
    best = cuts[0].moment.score if cuts else None
    return SearchResult(tuple(_named(store, good)), hits.how, best, min_score)


def ground_stored(
    store: Reader,
    video: str | Path,
    query: Tensor | Vectors,
    *,
    window_s: float | None = WINDOW_S,
    window_frames: int | None = None,
    factor: float = 1.0,
    faithful: bool = False,
) -> Grounding:
    """Where in one stored video a query is: `ground` on its curve.

    Args:
        store: that holds the video.
        video: id or path.
        query: float [d], unit length.
        window_s: as the rest, see `ground`.

    Raises:
        StoreError: the video is not in the store, or the query does not fit.
        SettingsError: a setting is out of range.
    """
    curve = store.scores(find_stored(store, video).id, query)
    return ground(
        curve.scores,
        curve.start_s,
        window_s=window_s,
        window_frames=window_frames,
        factor=factor,
        faithful=faithful,
    )


def find_stored(store: Reader, video: str | Path) -> StoredVideo:
    """A stored video by its id or its path.

    Raises:
        StoreError: there is none.
    """
    path = stored_path(video)
    for stored in store.videos(folder=path):
        if stored.path == path:
            return stored
    try:
        return store.video(str(video))
    except StoreError:
        raise StoreError(
            f"{store.uri} holds no video with the path or id {str(video)!r}; `vidskim store list` shows both"
        ) from None


def _check(limit: int, per_video: int | None, min_score: float | None) -> None:
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


def _candidates(hits: Hits, *, most: int) -> list[tuple[str, float]]:
    """Videos in order of their best hit, each with its score."""
    scores: dict[str, float] = {}
    for row, video in enumerate(hits.videos):
        scores.setdefault(video, float(hits.scores[row]))
    return list(scores.items())[:most]


def _settled(cuts: list[_Cut], limit: int, best_score: float) -> bool:
    """Whether a video whose nearest frame has this score cannot reach the ranks."""
    return len(cuts) >= limit and cuts[limit - 1].moment.score >= best_score


def _read_curve(store: Reader, video_id: str, query: Tensor | Vectors) -> Curve | None:
    """A video's curve; None if it was removed since its frames were found."""
    try:
        return store.scores(video_id, query)
    except StoreError:
        if any(video.id == video_id for video in store.videos()):
            raise
        return None


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
