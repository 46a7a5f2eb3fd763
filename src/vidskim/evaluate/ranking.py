"""Retrieval scores between texts and videos, with ties shared out: constant similarities score what chance does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from vidskim.errors import SettingsError

RECALLS = (1, 5, 10, 50)


def similarities(texts: Tensor, videos: Tensor) -> npt.NDArray[np.float32]:
    """Cosines of unit vectors [q, d] and [n, d]: [q, n], equal where the vectors are, but for one in 10^8.

    They are rounded from float64: products of the same two vectors differ in their last bit with where they lie, and in
    float32 equal captions or files would then have an order.
    """
    cosines: npt.NDArray[np.float32] = (texts.double() @ videos.double().T).float().numpy()
    return cosines


@dataclass(frozen=True)
class Ranks:
    """Where each query's right item stands, if items of one score stand in random order.

    Args:
        above: items with a higher score than the right one, int64 [n].
        tied: items with its score, itself among them, int64 [n], 1 or more.
    """

    above: npt.NDArray[np.int64]
    tied: npt.NDArray[np.int64]

    @property
    def expected(self) -> npt.NDArray[np.float64]:
        """The mean place, 1 the best, [n]."""
        return self.above + (self.tied + 1) / 2

    def recall(self, k: int) -> float:
        """The expected share of queries whose right item is among the first k, 0 to 1."""
        return float(np.clip((k - self.above) / self.tied, 0, 1).mean())


@dataclass(frozen=True)
class RetrievalScores:
    """Scores of one direction as papers print them.

    Args:
        recalls: R@1, R@5, R@10 and R@50 in per cent.
        median_rank: MdR, 1 the best.
        mean_rank: MnR.
        r_sum: R@1 + R@5 + R@10.
        queries: how many there were.
        items: how many each was compared with.
    """

    recalls: dict[int, float]
    median_rank: float
    mean_rank: float
    r_sum: float
    queries: int
    items: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, recalls as "R@1"."""
        record = asdict(self)
        return {**{f"R@{k}": share for k, share in record.pop("recalls").items()}, **record}


def rank_with_ties(similarity: npt.ArrayLike, truth: npt.ArrayLike) -> Ranks:
    """Places of the right items.

    Args:
        similarity: of each query to each item, [n, m].
        truth: number of each query's right item, [n].

    Raises:
        SettingsError: shapes do not fit, no queries, a similarity is nan, or an item's number is out of range.
    """
    scores, right = np.asarray(similarity), np.asarray(truth)
    if scores.ndim != 2 or not len(scores) or right.shape != scores.shape[:1]:
        raise SettingsError(
            f"expected similarity [n, m] of one or more queries and truth [n], received {list(scores.shape)} and "
            f"{list(right.shape)}"
        )
    if np.isnan(scores).any():
        query, item = np.argwhere(np.isnan(scores))[0]
        raise SettingsError(f"similarity must not be nan, received nan for query {query} and item {item}")
    if ((right < 0) | (right >= scores.shape[1])).any():
        raise SettingsError(f"truth must be an item's number, 0 to {scores.shape[1] - 1}, received {right}")
    own = scores[np.arange(len(right)), right][:, None]
    return Ranks((scores > own).sum(axis=1), (scores == own).sum(axis=1))


def score_ranks(ranks: Ranks, *, items: int) -> RetrievalScores:
    """All scores of one direction."""
    recalls = {k: 100 * ranks.recall(k) for k in RECALLS}
    expected = ranks.expected
    return RetrievalScores(
        recalls=recalls,
        median_rank=float(np.median(expected)),
        mean_rank=float(expected.mean()),
        r_sum=recalls[1] + recalls[5] + recalls[10],
        queries=len(expected),
        items=items,
    )


def score_retrieval(
    similarity: npt.ArrayLike, owners: Sequence[int]
) -> tuple[RetrievalScores, RetrievalScores]:
    """Text to video and video to text, out of one matrix.

    Args:
        similarity: of each text to each video, [n, m].
        owners: number of each text's video, [n]. A video may have several texts, or none: then it is only found, not
            asked for.

    Returns:
        Text to video, each text a query; video to text, each video a query that finds another by the best of its texts
        (with one text a video, the same matrix turned round).

    Raises:
        SettingsError: as `rank_with_ties`.

    Source: CLIP4Clip's evaluation of several sentences a video, which the field follows.
    """
    scores, right = np.asarray(similarity), np.asarray(owners, dtype=np.int64)
    to_video = score_ranks(rank_with_ties(scores, right), items=scores.shape[1])
    asked = np.unique(right)
    best = np.full((len(asked), scores.shape[1]), -np.inf)
    np.maximum.at(best, np.searchsorted(asked, right), scores)
    to_text = rank_with_ties(best.T[asked], np.arange(len(asked)))
    return to_video, score_ranks(to_text, items=len(asked))
