"""Which frames are I and which are P: segments of video in, numbered frames and their I-frames out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Anchor:
    """What an I-frame leaves behind for the segment after it.

    Args:
        vector: its feature [d], normalised.
        context: its keys and values, a [2, h, n, k] for each layer, or None where the method does not read them.
    """

    vector: Tensor
    context: list[Tensor] | None


@dataclass(frozen=True)
class Segment:
    """Consecutive frames of one video that are encoded together. Frame 0 is an I-frame.

    Args:
        pixels: prepared frames [t, 3, y, x].
        times_s: their times, float64 [t].
        motion: motion per patch [t, gy, gx], or None.
        first: number of frame 0 in its video. Frames between a carried frame 0 and frame 1 may be left out; the
            number is then the one before frame 1's.
        carried: set if frame 0 was the last I-frame of a segment before and is already encoded.
        continues: whether a segment that follows leans on this one's last I-frame, so that it must be remembered.
    """

    pixels: Tensor
    times_s: npt.NDArray[np.float64]
    motion: Tensor | None
    first: int
    carried: Anchor | None = None
    continues: bool = False


@dataclass(frozen=True)
class Layout:
    """Which frames of a batch of segments are I and P, and on which I-frames each P-frame leans.

    Args:
        anchors: I-frames' numbers in the concatenated batch, int64 [a].
        carried: rows of `anchors` that are already encoded, with what they left.
        between: P-frames' numbers, int64 [p].
        segment: each P-frame's segment, int64 [p].
        previous: for each P-frame the row in `anchors` of the I-frame before it, int64 [p].
        following: the same for the I-frame after it; equal to `previous` where there is none.
        share: position in time between the two, 0 at the previous and 1 at the following, float32 [p].
    """

    anchors: Tensor
    carried: dict[int, Anchor]
    between: Tensor
    segment: Tensor
    previous: Tensor
    following: Tensor
    share: Tensor


def lay_out(segments: Sequence[Segment], *, interleave: int, lookahead: bool) -> Layout:
    """Number the frames of a batch and link each P-frame to its I-frames."""
    anchors: list[int] = []
    carried: dict[int, Anchor] = {}
    rows: list[tuple[int, int, int, int, float]] = []  # frame, segment, previous, following, share
    base = 0
    for number, segment in enumerate(segments):
        count = len(segment.pixels)
        own = sorted({*range(0, count, interleave + 1), *([count - 1] if lookahead else [])})
        if segment.carried is not None:
            carried[len(anchors)] = segment.carried
        times = segment.times_s
        for place, start in enumerate(own):
            stop = own[place + 1] if place + 1 < len(own) else count
            follows = lookahead and place + 1 < len(own)
            row = len(anchors) + place
            span = times[stop] - times[start] if follows else 0.0
            for frame in range(start + 1, stop):
                share = (
                    _share(times[frame] - times[start], span, (frame - start) / (stop - start))
                    if follows
                    else 0.0
                )
                rows.append((base + frame, number, row, row + int(follows), share))
        anchors += [base + frame for frame in own]
        base += count
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    between, owner, previous, following = (torch.tensor(column, dtype=torch.int64) for column in columns[:4])
    share_column = torch.tensor(columns[4], dtype=torch.float32)
    return Layout(torch.tensor(anchors), carried, between, owner, previous, following, share_column)


def _share(elapsed: float, span: float, by_number: float) -> float:
    return float(min(max(elapsed / span, 0.0), 1.0)) if span > 0 else by_number
