"""Metrics against numbers worked out by hand and against their definitions."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidskim.errors import SettingsError
from vidskim.evaluate.metrics import (
    interval_iou,
    mean_interval_iou,
    rank_correlation,
    recall_at,
    top_overlap,
)

SECONDS = st.floats(-100, 100, allow_subnormal=False)
INTERVALS = st.lists(st.tuples(SECONDS, SECONDS).map(sorted), min_size=1, max_size=8)


def test_iou_of_every_pair() -> None:
    got = interval_iou([[0, 4], [2, 3]], [[0, 4], [2, 6], [4, 5], [7, 9]])
    np.testing.assert_allclose(got, [[1.0, 2 / 6, 0.0, 0.0], [1 / 4, 1 / 4, 0.0, 0.0]])


def test_iou_without_length_is_zero() -> None:
    assert interval_iou([[2, 2]], [[2, 2], [1, 3], [5, 5]]).tolist() == [[0.0, 0.0, 0.0]]


def test_iou_of_nothing_has_no_rows() -> None:
    assert interval_iou([], [[0, 1]]).shape == (0, 1)
    assert interval_iou(np.zeros((3, 2)), np.zeros((0, 2))).shape == (3, 0)


@given(INTERVALS, INTERVALS)
def test_iou_is_over_the_union_and_over_the_hull_alike(a: list[Any], b: list[Any]) -> None:
    got = interval_iou(a, b)
    assert ((got >= 0) & (got <= 1)).all()
    np.testing.assert_array_equal(got, interval_iou(b, a).T)
    for i, (start, end) in enumerate(a):
        for j, (other_start, other_end) in enumerate(b):
            shared = max(0.0, min(end, other_end) - max(start, other_start))
            union = (end - start) + (other_end - other_start) - shared
            hull = max(end, other_end) - min(start, other_start)
            for whole in (union, hull):
                # nearly no length at all against 100 s is lost in the rounding of the union
                assert got[i, j] == pytest.approx(shared / whole if whole else 0.0, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ([0, 1], r"expected a of shape \[n, 2\], start and end, received shape \[2\]"),
        ([[0, 1, 2]], r"received shape \[1, 3\]"),
        ([[0, 1], [3, 2]], r"a must be finite and end at or after .* received 3\.0 to 2\.0 in row 1"),
        ([[0, math.nan]], r"received 0\.0 to nan in row 0"),
    ],
)
def test_wrong_intervals_are_named(a: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        interval_iou(a, [[0, 1]])


# Three queries: found second, found first (IoU just 0.5), nothing predicted.
PREDICTIONS = [np.array([[8.0, 9.0], [0.0, 3.0]]), np.array([[0.0, 2.0]]), np.zeros((0, 2))]
TRUTHS = np.array([[0.0, 4.0], [0.0, 4.0], [1.0, 2.0]])


@pytest.mark.parametrize(
    ("k", "iou", "expected"),
    [(1, 0.3, 1 / 3), (5, 0.3, 2 / 3), (1, 0.5, 0.0), (2, 0.5, 1 / 3), (2, 0.75, 0.0), (1, 0.0, 1 / 3)],
)
def test_recall_is_strictly_above_the_bar(k: int, iou: float, expected: float) -> None:
    assert recall_at(PREDICTIONS, TRUTHS, k=k, iou=iou) == pytest.approx(expected)


def test_mean_iou_is_of_the_first_prediction() -> None:
    assert mean_interval_iou(PREDICTIONS, TRUTHS) == pytest.approx((0 + 0.5 + 0) / 3)
    assert mean_interval_iou([[], []], TRUTHS[:2]) == 0.0


@given(st.lists(INTERVALS, min_size=1, max_size=5), st.data())
def test_recall_is_the_naive_count(predictions: list[Any], data: st.DataObject) -> None:
    n = len(predictions)
    truths = data.draw(st.lists(st.tuples(SECONDS, SECONDS).map(sorted), min_size=n, max_size=n))
    k, bar = data.draw(st.integers(1, 9)), data.draw(st.sampled_from([0.0, 0.3, 0.5, 0.7]))
    hits = [
        (interval_iou(found[:k], [truth]) > bar).any()
        for found, truth in zip(predictions, truths, strict=True)
    ]
    assert recall_at(predictions, truths, k=k, iou=bar) == pytest.approx(np.mean(hits))


def test_recall_refuses_what_does_not_fit() -> None:
    with pytest.raises(SettingsError, match="received 2 lists and 3 truths"):
        recall_at(PREDICTIONS[:2], TRUTHS, k=1, iou=0.5)
    with pytest.raises(SettingsError, match="received 0 lists and 0 truths"):
        recall_at([], [], k=1, iou=0.5)
    with pytest.raises(SettingsError, match="k must be 1 or more, received 0"):
        recall_at(PREDICTIONS, TRUTHS, k=0, iou=0.5)
    with pytest.raises(SettingsError, match="at least 0 and below 1, received 50"):
        recall_at(PREDICTIONS, TRUTHS, k=1, iou=50)
    with pytest.raises(SettingsError, match=r"expected predictions of query 1 of shape \[n, 2\]"):
        recall_at([[[0, 1]], [0, 1]], TRUTHS[:2], k=1, iou=0.5)


@pytest.mark.parametrize(
    ("a", "b", "rho"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 400], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], 0.8),  # 1 - 6 * 4 / (5 * 24)
        ([1, 1, 2], [5, 5, 9], 1.0),
        ([1, 2, 3], [1, 1, 2], 3**0.5 / 2),  # ranks 0.5, 0.5, 2
    ],
)
def test_rank_correlation_by_hand(a: list[float], b: list[float], rho: float) -> None:
    assert rank_correlation(a, b) == pytest.approx(rho)
    assert rank_correlation(b, a) == pytest.approx(rho)


def test_rank_correlation_of_what_does_not_differ_is_nan() -> None:
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))
    assert np.isnan(rank_correlation([1], [2]))


def test_top_overlap_by_hand() -> None:
    a, b = np.arange(20.0), np.arange(20.0)
    assert top_overlap(a, b, share=0.1) == 1.0
    b[19] = -1  # of 18 and 19, the best two, 18 is left
    assert top_overlap(a, b, share=0.1) == 0.5
    assert top_overlap(a, -a, share=0.5) == 0.0
    assert top_overlap([1, 2], [1, 2], share=0.1) == 1.0
    assert top_overlap([3, 3, 3, 1], [1, 3, 3, 3], share=0.5) == 0.5  # items 0, 1 and 1, 2


def test_scores_that_do_not_pair_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"two scores of the same items, .*received \[3\] and \[2\]"):
        rank_correlation([1, 2, 3], [1, 2])
    with pytest.raises(SettingsError, match=r"received \[0\] and \[0\]"):
        top_overlap([], [], share=0.1)
    with pytest.raises(SettingsError, match="above 0 and at most 1, received 10"):
        top_overlap([1, 2], [1, 2], share=10)
