"""Shapes as signed distances: negative inside, about the distance to the edge near it. All fit the unit circle."""

from collections.abc import Callable
from math import cos, hypot, pi, sin

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]


def _half_planes(u: Field, v: Field, angles: list[float], offset: float) -> Field:
    """The convex polygon whose sides face `angles` at `offset` from the centre."""
    sides = [u * cos(angle) + v * sin(angle) for angle in angles]
    out: Field = np.maximum.reduce(sides) - offset
    return out


def _box(u: Field, v: Field, half_width: float, half_height: float) -> Field:
    out: Field = np.maximum(np.abs(u) - half_width, np.abs(v) - half_height)
    return out


def _circle(u: Field, v: Field) -> Field:
    out: Field = np.hypot(u, v) - 0.95
    return out


def _square(u: Field, v: Field) -> Field:
    return _box(u, v, 0.76, 0.76)


def _triangle(u: Field, v: Field) -> Field:
    return _half_planes(u, v - 0.18, [pi / 2, pi / 2 + 2 * pi / 3, pi / 2 - 2 * pi / 3], 0.58)


def _star(u: Field, v: Field) -> Field:
    angle = np.arctan2(u, -v)  # 0 points up
    near: Field = np.abs(np.mod(angle + pi / 5, 2 * pi / 5) - pi / 5)
    radius = np.hypot(u, v)
    # the edge from a tip (radius 1, angle 0) to a notch (radius 0.4, angle pi / 5)
    along, across = radius * np.cos(near), radius * np.sin(near)
    notch = (0.4 * cos(pi / 5), 0.4 * sin(pi / 5))
    length = hypot(notch[1], 1 - notch[0])
    out: Field = (along - 1) * (notch[1] / length) + across * ((1 - notch[0]) / length)
    return out


def _heart(u: Field, v: Field) -> Field:
    lobes = np.hypot(np.abs(u) - 0.42, v + 0.36) - 0.5
    tip = np.maximum((np.abs(u) + v) * 0.7071 - 0.555, -v - 0.36)
    tip = np.maximum(tip, np.abs(u) - 0.88)
    out: Field = np.minimum(lobes, tip)
    return out


def _ring(u: Field, v: Field) -> Field:
    out: Field = np.abs(np.hypot(u, v) - 0.7) - 0.24
    return out


def _cross(u: Field, v: Field) -> Field:
    out: Field = np.minimum(_box(u, v, 0.95, 0.3), _box(u, v, 0.3, 0.95))
    return out


def _diamond(u: Field, v: Field) -> Field:
    out: Field = (np.abs(u) / 0.62 + np.abs(v) - 1) * 0.53
    return out


def _crescent(u: Field, v: Field) -> Field:
    bite = 0.72 - np.hypot(u - 0.42, v)
    out: Field = np.maximum(np.hypot(u, v) - 0.95, bite)
    return out


def _hexagon(u: Field, v: Field) -> Field:
    return _half_planes(u, v, [pi / 6 + pi / 3 * side for side in range(6)], 0.82)


def _arrow(u: Field, v: Field) -> Field:
    shaft = _box(u + 0.4, v, 0.5, 0.22)
    head = _half_planes(u - 0.2, v, [pi, pi / 4.2, -pi / 4.2], 0.28)
    out: Field = np.minimum(shaft, np.maximum(head, (-0.15) - u))
    return out


def _bar(u: Field, v: Field) -> Field:
    return _box(u, v, 0.95, 0.26)


# The names are the vocabulary's; v points down.
SIGNED_DISTANCE: dict[str, Callable[[Field, Field], Field]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "ring": _ring,
    "cross": _cross,
    "diamond": _diamond,
    "crescent": _crescent,
    "hexagon": _hexagon,
    "arrow": _arrow,
    "bar": _bar,
}
