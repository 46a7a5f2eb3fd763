"""Shapes can be told apart, and fill the circle they are drawn in."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from vidskim.synth.shapes import SIGNED_DISTANCE
from vidskim.synth.vocabulary import SHAPES

STEP = 0.01
AXIS = np.arange(-1.5 + STEP / 2, 1.5, STEP)
# Their corners reach beyond the unit circle, which the drawing leaves no room for. See `_draw_actor`.
TOO_LARGE = {"triangle": 1.26, "square": 1.08}


def distance(shape: str) -> NDArray[np.floating]:
    """[y, x] on the square from -1.5 to 1.5."""
    return SIGNED_DISTANCE[shape](AXIS[None], AXIS[:, None])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_visible_and_in_the_middle(shape: str) -> None:
    inside = distance(shape) < 0
    area = inside.sum() * STEP**2
    assert 0.8 < area < 2.9  # of pi, the circle it is drawn in
    rows, columns = np.nonzero(inside)
    centre = np.hypot(AXIS[rows].mean(), AXIS[columns].mean())
    assert centre < (0.35 if shape == "crescent" else 0.25)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_fits_the_unit_circle(shape: str) -> None:
    rows, columns = np.nonzero(distance(shape) < 0)
    reach = np.hypot(AXIS[rows], AXIS[columns]).max()
    assert reach > 0.75
    if shape in TOO_LARGE:
        assert reach == pytest.approx(TOO_LARGE[shape], abs=0.02)
    else:
        assert reach < 1.055


@pytest.mark.parametrize(("first", "second"), list(combinations(SHAPES, 2)))
def test_no_shape_looks_like_another(first: str, second: str) -> None:
    a, b = distance(first) < 0, distance(second) < 0
    assert (a & b).sum() / (a | b).sum() < 0.9


@pytest.mark.parametrize("shape", SHAPES)
def test_near_its_edge_the_field_is_a_distance(shape: str) -> None:
    field = distance(shape)
    slope = np.hypot(*np.gradient(field, STEP))[np.abs(field) < 0.05]
    assert len(slope) > 500
    assert np.median(slope) == pytest.approx(1.0, abs=0.1)
    assert np.quantile(slope, 0.95) < 1.2
