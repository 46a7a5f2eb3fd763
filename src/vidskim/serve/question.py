"""Searches on their way through the server, and their answers."""

from dataclasses import dataclass
from typing import Any, Literal

from vidskim.serve.catalog import Entry, Selection
from vidskim.store.records import Vectors
from vidskim.tasks.search import Found, SearchResult


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a search is to be answered.

    Args:
        limit: results at most.
        selection: of videos.
        between: half-open range of seconds in each video.
        level: None for moments by frames alone; "moment" for the best segments first; "video" for whole videos.
        grouped: results are videos, each with its moments by frames; only without a level.
        min_score: least score of a match, None for any.
    """

    limit: int
    selection: Selection
    between: tuple[float, float] | None
    level: Literal["moment", "video"] | None
    grouped: bool
    min_score: float | None


@dataclass(frozen=True, eq=False)
class Question:
    """A search, ready to be answered.

    Args:
        vectors: float32 [d], unit length: one that compares with frames; for level "video" one that compares with
            whole videos; for level "moment" both, that for segments first.
        terms: how to answer.
        digest: with a level, the fingerprint of the vectors that the first one compares with.
    """

    vectors: tuple[Vectors, ...]
    terms: Terms
    digest: str | None = None


@dataclass(frozen=True)
class Findings:
    """The answer.

    Args:
        result: of the search.
        groups: for grouped ones the moments of each video, best first.
        entries: of the videos in the result, as far as they are still there.
        index: what was searched; see `Engine.describe`.
    """

    result: SearchResult
    groups: dict[str, list[Found]]
    entries: dict[str, Entry]
    index: dict[str, Any]
