"""How good found stretches are, and how alike two orders, in numbers papers print. Shares are 0 to 1, not per cent."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError

Floats = npt.NDArray[np.float64]


def interval_iou(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Intersection over union of every stretch of one list with every one of another.

    Released grounding code divides by the hull (latest end - earliest start). That is the same number: where two
    stretches touch, hull and union are equal, and where they do not, the intersection is 0.

    Args:
        a: start and end in one unit, [n, 2], end at or after start; n may be 0.
        b: the same, [m, 2].

    Returns:
        float64 [n, m], 0 to 1; 0 where either has no length, even if both are the same point.

    Raises:
        SettingsError: shape, a value that is not finite, or an end before its start.
    """
    first, second = _intervals("a", a), _intervals("b", b)
    return _iou(first[:, None], second[None, :])


def recall_at(predictions: Sequence[npt.ArrayLike], truths: npt.ArrayLike, *, k: int, iou: float) -> float:
    """Share of queries with at least one of their first k stretches above an IoU: R@k, averaged over queries.

    Args:
        predictions: for each query start and end, best first, [p, 2]; p may be 0 and differ between queries.
        truths: the right stretch of each query, [n, 2], in the unit of the predictions.
        k: how many of each query's predictions count, 1 or more.
        iou: the bar, at least 0 and below 1; a stretch must be strictly above it.

    Returns:
        0 to 1.

    Raises:
        SettingsError: lengths or shapes do not fit, there are no queries, or `k` or `iou` is out of range.

    Source: ResidualViT's evaluation of grounding, R@{1, 5} at {0.3, 0.5, 0.7}.
    """
    if not 0 <= iou < 1:
        raise SettingsError(f"iou is the bar to be above, at least 0 and below 1, received {iou}")
    return float((_best_of_first(predictions, truths, k) > iou).mean())


def mean_interval_iou(predictions: Sequence[npt.ArrayLike], truths: npt.ArrayLike) -> float:
    """Mean IoU of each query's first stretch (mIoU); a query without predictions counts 0.

    Args:
        predictions: for each query start and end, best first, [p, 2].
        truths: the right stretch of each query, [n, 2].

    Returns:
        0 to 1.

    Raises:
        SettingsError: lengths or shapes do not fit, or there are no queries.
    """
    return float(_best_of_first(predictions, truths, 1).mean())


def rank_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Whether two scores put the same items in the same order: Spearman's rho, -1 to 1.

    Args:
        a: one score of each item, [n]; equal scores share the mean of their ranks.
        b: the other, [n].

    Returns:
        The correlation of the ranks; nan if all items of either score the same.

    Raises:
        SettingsError: shapes do not fit.
    """
    first, second = (_mean_ranks(scores) for scores in _paired(a, b))
    first, second = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / spread if spread else float("nan")


def top_overlap(a: npt.ArrayLike, b: npt.ArrayLike, *, share: float) -> float:
    """Share of one score's best items that are among the other's best, 0 to 1.

    Args:
        a: one score of each item, [n], n at least 1; of equal scores the earlier item is better.
        b: the other, [n].
        share: of the items that count as the best, above 0 and at most 1; at least one item does.

    Raises:
        SettingsError: shapes do not fit, or `share` is out of range.
    """
    if not 0 < share <= 1:
        raise SettingsError(f"share is of all items, above 0 and at most 1, received {share}")
    pair = _paired(a, b)
    count = max(1, round(share * len(pair[0])))
    best = [set(np.argsort(-scores, kind="stable")[:count].tolist()) for scores in pair]
    return len(best[0] & best[1]) / count


def _paired(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Floats, Floats]:
    first, second = (np.asarray(scores, dtype=np.float64) for scores in (a, b))
    if first.ndim != 1 or not len(first) or first.shape != second.shape:
        shapes = f"{list(first.shape)} and {list(second.shape)}"
        raise SettingsError(
            f"expected two scores of the same items, [n] with n at least 1, received {shapes}"
        )
    return first, second


def _mean_ranks(scores: Floats) -> Floats:
    """Ranks from 0, equal scores in the middle of theirs."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts + 1) / 2)[place]
    return ranks


def _iou(a: Floats, b: Floats) -> Floats:
    """IoU of stretches [..., 2] that broadcast against each other."""
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    # the union where they touch; never rounded below the intersection, so no IoU is above 1
    hull = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 0], b[..., 0])
    iou: Floats = np.divide(shared, hull, out=np.zeros_like(hull), where=shared > 0)
    return iou


def _best_of_first(predictions: Sequence[npt.ArrayLike], truths: npt.ArrayLike, k: int) -> Floats:
    """The highest IoU among each query's first k predictions, 0 if it has none: [n]."""
    _check_k(k)
    right = _intervals("truths", truths)
    if not len(right) or len(predictions) != len(right):
        raise SettingsError(
            "expected one list of predictions for each of one or more truths, "
            f"received {len(predictions)} lists and {len(right)} truths"
        )
    first = [_intervals(f"predictions of query {i}", found)[:k] for i, found in enumerate(predictions)]
    owner = np.repeat(np.arange(len(right)), [len(found) for found in first])
    best = np.zeros(len(right))
    np.maximum.at(best, owner, _iou(np.concatenate(first), right[owner]))
    return best


def _intervals(name: str, values: npt.ArrayLike) -> Floats:
    """Start and end, float64 [n, 2], checked; an empty list is [0, 2]."""
    pairs = np.asarray(values, dtype=np.float64)
    if pairs.shape == (0,):
        return pairs.reshape(0, 2)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise SettingsError(
            f"expected {name} of shape [n, 2], start and end, received shape {list(pairs.shape)}"
        )
    wrong = np.flatnonzero(~np.isfinite(pairs).all(axis=1) | (pairs[:, 1] < pairs[:, 0]))
    if len(wrong):
        start, end = pairs[wrong[0]]
        raise SettingsError(
            f"{name} must be finite and end at or after their start, received {start} to {end} in row {wrong[0]}"
        )
    return pairs


def _check_k(k: int) -> None:
    if k < 1:
        raise SettingsError(f"k must be 1 or more, received {k}")
