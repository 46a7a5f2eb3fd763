"""All frames of a video at a glance: how much of each was computed, and how much each changed."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from vidskim.tasks.patch_picture import BEFORE, FAINT, FRESH, INK, PAPER, text_font
from vidskim.tasks.patch_state import PatchState, token_shares

GUTTER = 76  # pixels left of the charts, for their names
BARS, CHANGE, GAP, AXIS = 64, 36, 10, 22  # heights in pixels
HEIGHT = BARS + GAP + CHANGE + AXIS
TEXT = 13
SHOWN = (250, 205, 90)
_EMPTY = (236, 236, 232)
_LINE = (110, 110, 116)
_LEAST_CHANGE = 0.02  # top of the scale of a video that stands still


def draw_timeline(states: Sequence[PatchState], *, width: int, shown: Sequence[int] = ()) -> Image.Image:
    """Bars for the share of patches computed (or left as tokens), I-frames in their colour; below, the pixel change.

    Args:
        states: all frames; where there are more than pixels, neighbours are averaged.
        width: pixels, more than the names at the left take.
        shown: numbers of frames to mark below the bars.

    Returns:
        An image `width` x `HEIGHT`.
    """
    wide = width - GUTTER
    image = Image.new("RGB", (width, HEIGHT), PAPER)
    computed = token_shares(states)
    is_anchor = np.array([state.kind == "I" for state in states])
    change = np.array([state.change for state in states])
    top = scale_of(change)
    bars = _chart([(computed * is_anchor, BEFORE), (computed * ~is_anchor, FRESH)], width=wide, height=BARS)
    image.paste(Image.fromarray(bars), (GUTTER, 0))
    curve = _chart([(np.minimum(change / top, 1), _LINE)], width=wide, height=CHANGE)
    image.paste(Image.fromarray(curve), (GUTTER, BARS + GAP))
    pen = ImageDraw.Draw(image)
    for number in shown:
        left, right = _span(number, len(states), wide)
        pen.rectangle((left, BARS + 2, right - 1, BARS + GAP - 3), fill=SHOWN)
    _write_names(pen, states, width=width, top=top)
    return image


def scale_of(change: npt.NDArray[np.float64]) -> float:
    """Top of the scale: above most frames, so that a cut, which is cut off, does not flatten the rest."""
    return max(_LEAST_CHANGE, min(float(change.max()), 2 * float(np.quantile(change, 0.9))))


def draw_cursor(image: Image.Image, place: tuple[int, int], *, width: int, number: int, frames: int) -> None:
    """A line at frame `number` of `frames`, on a timeline that was pasted at `place` of an image."""
    x, y = place
    left, right = _span(number, frames, width - GUTTER)
    middle = x + (left + right) // 2
    ImageDraw.Draw(image).line((middle, y, middle, y + BARS + GAP + CHANGE), fill=INK, width=3)


def _span(number: int, frames: int, wide: int) -> tuple[int, int]:
    """Left and right of a frame's place, half-open."""
    left = GUTTER + number * wide // frames
    return left, max(left + 1, GUTTER + (number + 1) * wide // frames)


def _chart(
    layers: Sequence[tuple[npt.NDArray[np.float64], tuple[int, int, int]]], *, width: int, height: int
) -> npt.NDArray[np.uint8]:
    """Stacked bars, a layer being a value in 0..1 for each frame and its colour: uint8 [height, width, 3]."""
    frames = len(layers[0][0])
    edges = np.arange(width + 1) * frames / width
    first = edges[:-1].astype(np.int64)
    last = np.maximum(np.ceil(edges[1:] - 1e-9).astype(np.int64), first + 1)  # half-open
    chart = np.full((height, width, 3), _EMPTY, np.uint8)
    from_below = np.arange(height)[::-1, None]  # [y, 1]
    base = np.zeros(width)
    for values, colour in layers:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        top = base + (sums[last] - sums[first]) / (last - first)
        chart[(from_below >= np.rint(base * height)) & (from_below < np.rint(top * height))] = colour
        base = top
    if width >= 4 * frames:  # a gap between bars
        chart[:, first != np.concatenate([first[1:], [frames]])] = PAPER
    return chart


def _write_names(pen: ImageDraw.ImageDraw, states: Sequence[PatchState], *, width: int, top: float) -> None:
    font = text_font(TEXT)
    right = GUTTER - 8
    pen.text((right, -2), "100 %", fill=FAINT, font=font, anchor="ra")
    name = "tokens" if any(state.regions for state in states) else "computed"
    pen.text((right, BARS / 2), name, fill=INK, font=font, anchor="rm")
    pen.text((right, BARS), "0 %", fill=FAINT, font=font, anchor="rb")
    below = BARS + GAP
    pen.text((right, below), f"{top:.2f}", fill=FAINT, font=font, anchor="ra")
    pen.text((right, below + CHANGE), "change", fill=INK, font=font, anchor="rb")
    wide, foot = width - GUTTER, below + CHANGE + 4
    places = sorted({round(share * (len(states) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})
    for place in places:
        left, stop = _span(place, len(states), wide)
        anchor = "la" if place == 0 else "ra" if place == len(states) - 1 else "ma"
        x = {"la": left, "ra": stop, "ma": (left + stop) / 2}[anchor]
        pen.text((x, foot), f"{states[place].time_s:.1f} s", fill=FAINT, font=font, anchor=anchor)
