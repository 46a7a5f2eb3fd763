"""Text to moments over a whole store.

    result = search(store, encoder.encode_text(["a dog catches a ball"])[0], limit=10, min_score=0.2)
    for found in result.found:
        print(found.score, found.path, found.start_s, found.end_s)

The nearest frames name candidate videos; each candidate's whole curve is then cut into moments as grounding does it,
and the moments that hold one of the nearest frames are ranked by their score, the maximum of the smoothed curve.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from vidskim.errors import SettingsError, StoreError
from vidskim.store.reader import Reader
from vidskim.store.records import Curve, Hits, StoredVideo, Vectors, stored_path
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
        found: best first; equal scores in order of path, then time. Empty if nothing is good enough, or nothing
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

    At most `CANDIDATES_PER_RESULT * limit` videos are looked into, those with the nearest frames, and at most
    `MOST_HITS` nearest frames are asked for; a moment none of whose frames is among them is not found.

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
    found: list[Found] = []
    for video_id, times_s in _candidates(hits, most=CANDIDATES_PER_RESULT * limit):
        read = _read(store, video_id, query)
        if read is None:
            continue
        moments = _moments(*read, times_s, between=between, window_s=window_s)
        found += sorted(moments, key=_rank)[:per_video]
    found.sort(key=_rank)
    good = [each for each in found if min_score is None or each.score >= min_score]
    return SearchResult(tuple(good[:limit]), hits.how, found[0].score if found else None, min_score)


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


def _candidates(hits: Hits, *, most: int) -> list[tuple[str, npt.NDArray[np.float64]]]:
    """Videos in order of their best hit, with the times of their hits, best first."""
    times: dict[str, list[float]] = {}
    for video, start_s in zip(hits.videos, hits.start_s.tolist(), strict=True):
        times.setdefault(video, []).append(start_s)
    return [(video, np.array(starts)) for video, starts in list(times.items())[:most]]


def _read(store: Reader, video_id: str, query: Tensor | Vectors) -> tuple[StoredVideo, Curve] | None:
    """A video and its curve; None if it was removed since its frames were found."""
    try:
        return store.video(video_id), store.scores(video_id, query)
    except StoreError:
        if any(video.id == video_id for video in store.videos()):
            raise
        return None


def _moments(
    video: StoredVideo,
    curve: Curve,
    hits_s: npt.NDArray[np.float64],
    *,
    between: tuple[float, float] | None,
    window_s: float | None,
) -> list[Found]:
    """The moments of one video that hold hits; if none does, the best hit's own frame."""
    start, end = between or (-math.inf, math.inf)
    inside = (curve.start_s < end) & (curve.end_s > start)
    if not inside.any():  # indexed again since its frames were found
        return []
    starts, ends, scores = curve.start_s[inside], curve.end_s[inside], curve.scores[inside]
    grounding = ground(scores, starts, window_s=window_s)
    moments = [moment for moment in grounding.moments if _holds(moment, hits_s).any()]
    if not moments:
        at = int(np.argmin(np.abs(starts - hits_s[0])))
        moments = [Moment(float(starts[at]), float(ends[at]), float(grounding.smoothed[at]))]
    found = []
    for moment in moments:
        held = np.flatnonzero(_holds(moment, starts))
        best = held[np.argmax(scores[held])]
        found.append(
            Found(video.id, video.path, video.name, moment, float(starts[best]), float(scores[best]))
        )
    return found


def _holds(moment: Moment, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (times_s >= moment.start_s) & (times_s < moment.end_s)
    return inside


def _rank(found: Found) -> tuple[float, str, float]:
    return -found.score, found.path, found.start_s
