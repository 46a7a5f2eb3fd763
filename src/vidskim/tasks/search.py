"""Text to moments over a whole store.

    result = search(store, encoder.encode_text(["a dog catches a ball"])[0], limit=10, min_score=0.2)
    for found in result.found:
        print(found.score, found.path, found.start_s, found.end_s)

The nearest frames name candidate videos; each candidate's whole curve is then cut into moments as grounding does it,
and the moments that hold one of the nearest frames are ranked by their score, the maximum of the smoothed curve.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from vidskim.errors import SettingsError, StoreError
from vidskim.store.reader import Reader
from vidskim.store.records import Curve, Floats, Hits, StoredVideo, Vectors, stored_path
from vidskim.tasks.ground import WINDOW_S, Grounding, ground
from vidskim.tasks.moment import Moment

SEARCH_WINDOW_S = 2.0  # shorter than grounding's: a search over many videos should find short events too
HITS_PER_RESULT = 16  # frames asked for at first; a moment at 3 frames/s holds about as many
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
    above its video's nearest frame), `CANDIDATES_PER_RESULT * limit` at most. Of `MOST_HITS` nearest frames at most; a
    moment none of whose frames is among them is not found.

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
    videos_wanted = math.ceil(limit / (per_video or limit))
    most = min(MOST_HITS, max(1, HITS_PER_RESULT * limit))
    while True:
        hits = store.nearest(query, limit=most, folder=folder, ids=wanted, between=between)
        if len(hits) < most or most >= MOST_HITS or len(set(hits.videos)) >= videos_wanted:
            break
        most = min(MOST_HITS, 4 * most)
    cuts: list[_Cut] = []
    for candidate in _candidates(hits, most=CANDIDATES_PER_RESULT * limit):
        if len(cuts) >= limit and cuts[limit - 1].moment.score >= candidate.best_score:
            break
        curve = _read_curve(store, candidate.video, query)
        if curve is not None:
            moments = _cut(candidate, curve, between=between, window_s=window_s)
            cuts = sorted([*cuts, *sorted(moments, key=_rank)[:per_video]], key=_rank)
    good = [cut for cut in cuts[:limit] if min_score is None or cut.moment.score >= min_score]
    best_score = cuts[0].moment.score if cuts else None
    return SearchResult(tuple(_named(store, good)), hits.how, best_score, min_score)


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


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A video with hits: their times, and the score of the best one."""

    video: str
    hits_s: Floats
    best_score: float


@dataclass(frozen=True)
class _Cut:
    """A moment of a video that nothing more is known of yet."""

    video: str
    moment: Moment
    best_s: float
    best_score: float


def _candidates(hits: Hits, *, most: int) -> list[_Candidate]:
    """Videos in order of their best hit; of each, times best first."""
    rows: dict[str, list[int]] = {}
    for row, video in enumerate(hits.videos):
        rows.setdefault(video, []).append(row)
    chosen = list(rows.items())[:most]
    return [_Candidate(video, hits.start_s[at], float(hits.scores[at[0]])) for video, at in chosen]


def _read_curve(store: Reader, video_id: str, query: Tensor | Vectors) -> Curve | None:
    """A video's curve; None if it was removed since its frames were found."""
    try:
        return store.scores(video_id, query)
    except StoreError:
        if any(video.id == video_id for video in store.videos()):
            raise
        return None


def _cut(
    candidate: _Candidate, curve: Curve, *, between: tuple[float, float] | None, window_s: float | None
) -> list[_Cut]:
    """The moments of one video that hold hits; if none does, the best hit's own frame."""
    start, end = between or (-math.inf, math.inf)
    inside = (curve.start_s < end) & (curve.end_s > start)
    if not inside.any():  # indexed again since its frames were found
        return []
    starts, ends, scores = curve.start_s[inside], curve.end_s[inside], curve.scores[inside]
    grounding = ground(scores, starts, window_s=window_s)
    moments = [moment for moment in grounding.moments if _holds(moment, candidate.hits_s).any()]
    if not moments:
        at = int(np.argmin(np.abs(starts - candidate.hits_s[0])))
        moments = [Moment(float(starts[at]), float(ends[at]), float(grounding.smoothed[at]))]
    cuts = []
    for moment in moments:
        held = np.flatnonzero(_holds(moment, starts))
        best = held[np.argmax(scores[held])]
        cuts.append(_Cut(candidate.video, moment, float(starts[best]), float(scores[best])))
    return cuts


def _holds(moment: Moment, times_s: Floats) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (times_s >= moment.start_s) & (times_s < moment.end_s)
    return inside


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
