"""Fidelity and its reading at equal cost."""

import numpy as np
import pytest
import torch

from vidskim.evaluate.fidelity import Fidelity, at_equal_cost, compare, cosine_at
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features

PRINT = Fingerprint("m", "w", {}, "full")


def point(share: float, cosine: float) -> Fidelity:
    return Fidelity(share, cosine, cosine, cosine)


def test_compare_reads_shares_and_cosines() -> None:
    full = Features(torch.eye(3), np.arange(3.0), np.array(["I", "I", "I"]), 300, PRINT)
    vectors = torch.tensor([[1.0, 0, 0], [0, 0.6, 0.8], [0, 0, 1.0]])
    other = Features(vectors, np.arange(3.0), np.array(["I", "P", "P"]), 150, PRINT)
    result = compare(full, other)
    assert result.share == 0.5
    assert result.cosine == pytest.approx((1 + 0.6 + 1) / 3)
    assert result.between == pytest.approx(0.8)
    assert result.worst == pytest.approx(0.6)
    with pytest.raises(ValueError, match="other frames"):
        compare(full, Features(torch.eye(3), np.ones(3), np.array(["I"] * 3), 1, PRINT))


def test_a_curve_is_read_between_its_neighbours() -> None:
    points = [point(0.6, 0.98), point(0.2, 0.9), point(0.4, 0.94)]
    assert cosine_at(points, 0.3) == pytest.approx(0.92)
    assert cosine_at(points, 0.9) == pytest.approx(0.98)
    assert np.isnan(cosine_at(points, 0.1))


def test_equal_cost_takes_one_curve_for_all_and_each_ones_best() -> None:
    curves = {
        "N=2": {"a": [point(0.5, 0.9)], "b": [point(0.5, 0.8)]},
        "N=3": {"a": [point(0.5, 0.7)], "b": [point(0.5, 0.95)]},
        "dear": {"a": [point(0.9, 1.0)], "b": [point(0.5, 0.99)]},
    }
    label, mean, each = at_equal_cost(curves, 0.5)
    assert label == "N=2"
    assert mean == pytest.approx(0.85)
    assert each == pytest.approx((0.9 + 0.99) / 2)
    assert at_equal_cost(curves, 0.1)[0] is None
