"""Which frames are I and which are P: segments of video in, numbered frames and their I-frames out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.methods.context import FrameContext


@dataclass(frozen=True)
class Anchor:
    """What an I-frame leaves behind for the segment after it.

    Args:
        vector: its feature [d], normalised.
        context: its keys and values, or None where the method does not read them.
    """

    vector: Tensor
    context: FrameContext | None


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

    @classmethod
    def of_anchors(cls, count: int) -> "Layout":
        """`count` frames, all of them I-frames."""
        nothing = torch.empty(0, dtype=torch.int64)
        return cls(torch.arange(count), {}, nothing, nothing, nothing, nothing, torch.empty(0))


@dataclass(frozen=True)
class Grouping:
    """Which frames of a segment are I-frames, and where other scenes begin.

    Args:
        anchors: numbers of the I-frames, rising; at least one in each scene that is looked back from.
        starts: frames that begin another scene: no P-frame leans across one where it has an I-frame on its own side.
        frames: in the segment.
        lookahead: P-frames also lean on the I-frame after them.
    """

    anchors: tuple[int, ...]
    starts: tuple[int, ...]
    frames: int
    lookahead: bool = True

    def links(self) -> tuple[list[int], list[int], list[int]]:
        """The P-frames, and the I-frames before and after that each leans on; twice the same where there is one."""
        places = np.array(self.anchors)
        between = [frame for frame in range(self.frames) if frame not in set(self.anchors)]
        scene = np.searchsorted(np.array(self.starts), np.arange(self.frames), side="right")
        previous, following = [], []
        for frame in between:
            after = int(np.searchsorted(places, frame))
            sides = [int(places[after - 1])] if after else []
            if after < len(places) and (self.lookahead or not sides):
                sides.append(int(places[after]))
            own = [anchor for anchor in sides if scene[anchor] == scene[frame]] or sides[:1]
            previous.append(own[0])
            following.append(own[-1])
        return between, previous, following


def regular(frames: int, *, interleave: int, lookahead: bool) -> Grouping:
    """Groups of one I-frame and `interleave` P-frames; with look-ahead the last frame is an I-frame too."""
    anchors = {*range(0, frames, interleave + 1), *([frames - 1] if lookahead else [])}
    return Grouping(tuple(sorted(anchors)), (), frames, lookahead)


def lay_out(segments: Sequence[Segment], groupings: Sequence[Grouping]) -> Layout:
    """Number the frames of a batch and link each P-frame to its I-frames."""
    anchors: list[int] = []
    carried: dict[int, Anchor] = {}
    rows: list[tuple[int, int, int, int, float]] = []  # frame, segment, previous, following, share
    base = 0
    for number, (segment, grouping) in enumerate(zip(segments, groupings, strict=True)):
        if segment.carried is not None:
            carried[len(anchors)] = segment.carried
        row = {frame: len(anchors) + place for place, frame in enumerate(grouping.anchors)}
        for frame, previous, following in zip(*grouping.links(), strict=True):
            share = _share(segment.times_s, frame, previous, following)
            rows.append((base + frame, number, row[previous], row[following], share))
        anchors += [base + frame for frame in grouping.anchors]
        base += len(segment.pixels)
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    between, owner, first, second = (torch.tensor(column, dtype=torch.int64) for column in columns[:4])
    share_column = torch.tensor(columns[4], dtype=torch.float32)
    return Layout(torch.tensor(anchors), carried, between, owner, first, second, share_column)


def _share(times: npt.NDArray[np.float64], frame: int, previous: int, following: int) -> float:
    """Position of a frame between two others in time, 0 to 1; by number where they have the same time."""
    if previous == following:
        return 0.0
    span = times[following] - times[previous]
    if span <= 0:
        return (frame - previous) / (following - previous)
    return float(np.clip((times[frame] - times[previous]) / span, 0.0, 1.0))
