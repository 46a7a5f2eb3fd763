"""Search by vectors of segments and whole videos, which see what happens between frames.

    query = load_level_texts_of(store).encode_text(["a square turns into a circle"])[0]
    search_videos(store, query).found  # whole videos
    frame_query = load_text_of(store).encode_text(["a square turns into a circle"])[0]
    search_segments(store, query, frame_query).found  # the best segments first, then moments inside them

Both routes say how long each stage took.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vidskim.errors import StoreError
from vidskim.store.levels import Levels, no_levels
from vidskim.store.reader import Reader
from vidskim.store.records import Hits, Vectors
from vidskim.store.view import listed_ids
from vidskim.tasks.moment import Moment
from vidskim.tasks.search import SEARCH_WINDOW_S, Found, Ranking, SearchResult, check_search

SEGMENTS_PER_RESULT = 16  # looked into at least, for each result wanted
SEGMENTS_SHARE = 0.01  # and of all segments, so that a growing store loses no more; see docs/log.md
SEGMENTS_GROWTH = 8  # so many times as many, if they hold too few moments


@dataclass(frozen=True)
class LevelResult(SearchResult):
    """The answer of a search with its stages.

    Args:
        took_ms: milliseconds of each stage, in order.
        without: videos of the store that have no vectors of segments and whole videos, and were not searched.
    """

    took_ms: dict[str, float]
    without: int


def search_videos(
    store: Reader,
    query: Tensor | Vectors,
    *,
    limit: int = 10,
    folder: str | Path | None = None,
    ids: Iterable[str] | None = None,
    min_score: float | None = None,
) -> LevelResult:
    """The videos that fit a query best as a whole, each with the segment of it that does.

    A result's score is that of the video's vector; its moment is the best segment, `best_s` the middle of that and
    `best_score` its own score.

    Args:
        store: that keeps such vectors.
        query: float [d], unit length, of the model that made them; see `load_level_texts_of`.
        limit: how many videos at most, 1 or more.
        folder: only videos in this folder or URI and below.
        ids: only these videos.
        min_score: videos with a lower score are no match. None takes whatever is nearest.

    Raises:
        SettingsError: a number is out of range.
        StoreError: the store keeps no such vectors, the query does not fit, or an id is unknown.
    """
    check_search(limit, None, min_score)
    with store.steady():
        levels, clock, found = _levels(store), _Clock(), []
        wholes = levels.nearest(query, level="video", limit=limit, folder=folder, ids=listed_ids(ids))
        clock.stop("videos")
        scores = dict(zip(wholes.videos, wholes.scores.tolist(), strict=True))
        good = [video for video, score in scores.items() if min_score is None or score >= min_score]
        for video, best in levels.best_segments(query, good).items():
            if (each := _found(store, best, score=scores[video])) is not None:
                found.append(each)
        clock.stop("segments")
        without = len(levels.lacking())
    best_score = float(wholes.scores[0]) if len(wholes) else None
    return LevelResult(tuple(found), wholes.how, best_score, min_score, clock.took_ms, without)


def search_segments(
    store: Reader,
    query: Tensor | Vectors,
    frame_query: Tensor | Vectors,
    *,
    limit: int = 10,
    per_video: int | None = None,
    folder: str | Path | None = None,
    ids: Iterable[str] | None = None,
    between: tuple[float, float] | None = None,
    window_s: float | None = SEARCH_WINDOW_S,
    min_score: float | None = None,
) -> LevelResult:
    """The moments that fit a query best, inside the segments that do: the two-stage route.

    All segments are compared with the query; the videos of the best, `SEGMENTS_PER_RESULT * limit` or the share
    `SEGMENTS_SHARE` of all if that is more, are cut into moments by their frames, as `search` does, and those that
    overlap one of the segments are ranked by their score. If these are fewer than `limit`, more segments are taken.

    Args:
        store: that keeps vectors of segments.
        query: float [d], unit length, of the model that made these; see `load_level_texts_of`.
        frame_query: float [d], unit length, of the model that made the frames' vectors.
        limit: how many moments at most, 1 or more.
        per_video: the rest is as in `search`.

    Raises:
        SettingsError: a number is out of range.
        StoreError: the store keeps no such vectors, a query does not fit, or an id is unknown.
    """
    check_search(limit, per_video, min_score)
    wanted, is_enough = listed_ids(ids), False
    with store.steady():
        levels, clock = _levels(store), _Clock()
        most = max(SEGMENTS_PER_RESULT * limit, math.ceil(SEGMENTS_SHARE * levels.count()[1]))
        while not is_enough:
            hits = levels.nearest(
                query, level="segment", limit=most, folder=folder, ids=wanted, between=between
            )
            clock.stop("segments")
            ranking = Ranking(
                store, frame_query, limit=limit, per_video=per_video, between=between, window_s=window_s
            )
            spans = _spans(hits)
            ranking.add(spans, touching=spans)
            clock.stop("moments")
            is_enough = ranking.is_full or len(hits) < most
            most *= SEGMENTS_GROWTH
        result = ranking.result(min_score)
        without = len(levels.lacking())
    return LevelResult(**vars(result), took_ms=clock.took_ms, without=without)


class _Clock:
    """Milliseconds of one stage after the other."""

    def __init__(self) -> None:
        self.took_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, stage: str) -> None:
        """A stage has ended, perhaps once more."""
        now = time.perf_counter()
        self.took_ms[stage] = round(self.took_ms.get(stage, 0) + 1000 * (now - self._last), 3)
        self._last = now


def _spans(hits: Hits) -> dict[str, list[tuple[float, float]]]:
    """Seconds of the segments found, by video, in order of each one's best."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for video, start, end in zip(hits.videos, hits.start_s.tolist(), hits.end_s.tolist(), strict=True):
        spans.setdefault(video, []).append((start, end))
    return spans


def _found(store: Reader, best: Hits, *, score: float) -> Found | None:
    """A video with its best segment; None if it was removed since it was found."""
    try:
        stored = store.video(best.videos[0])
    except StoreError:
        return None
    moment = Moment(float(best.start_s[0]), float(best.end_s[0]), score)
    middle_s = (moment.start_s + moment.end_s) / 2
    return Found(stored.id, stored.path, stored.name, moment, middle_s, float(best.scores[0]))


def _levels(store: Reader) -> Levels:
    if store.levels is None:
        raise no_levels(store.uri)
    return store.levels
