"""What every frame method shares: segments of video in, vectors out, with I-frames first and P-frames after.

Frames are cut into groups of N + 1: an I-frame, encoded in full, and N P-frames that lean on it. A method with
`lookahead` also leans on the I-frame after, so the last frame of a video is an I-frame too. Source: ResidualViT,
section 3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.models.cost import vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer, unit

# Token rows that go through the trunk together: the largest activation then stays in a CPU's last-level cache.
CPU_ROWS = 1600
GPU_ROWS = 65536


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
        first: number of frame 0 in its video.
        carried: set if frame 0 was the last frame of the segment before and is already encoded.
    """

    pixels: Tensor
    times_s: npt.NDArray[np.float64]
    motion: Tensor | None
    first: int
    carried: Anchor | None = None


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


@dataclass(frozen=True)
class Anchors:
    """I-frames of a batch: vectors [a, d] and, if recorded, keys and values, a [2, a, h, n, k] for each layer."""

    vectors: Tensor
    context: list[Tensor] | None


@dataclass(frozen=True)
class Between:
    """P-frames of a batch, encoded.

    Args:
        vectors: [p, d], normalised.
        kept: patches recomputed, int64 [p, k], padded with -1 where counts vary; None where nothing is recomputed.
        scores: what they were chosen by, float32 [p, n], or None.
    """

    vectors: Tensor
    kept: Tensor | None = None
    scores: Tensor | None = None


@dataclass(frozen=True)
class Encoded:
    """One segment, encoded.

    Args:
        vectors: [t, d], normalised; row 0 repeats a carried frame.
        anchor_frames: True for I-frames, bool [t].
        macs: spent on this segment's frames, carried ones apart.
        closing: what the last frame leaves behind, for methods with lookahead.
        kept, scores: rows for this segment's P-frames, as in `Between`.
    """

    vectors: Tensor
    anchor_frames: npt.NDArray[np.bool_]
    macs: int
    closing: Anchor | None
    kept: Tensor | None
    scores: Tensor | None


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


class Record(Reduction):
    """Keeps each layer's keys and values in rows of given tensors, a [2, a, h, n, k] for each layer."""

    def __init__(self, context: list[Tensor], rows: Tensor) -> None:
        self.context, self.rows = context, as_index(rows)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Plain attention; the keys and values are copied out, and read from the copy."""
        keys, values = self.context[layer]
        keys[self.rows], values[self.rows] = k, v
        return super().attend(layer, q, keys[self.rows], values[self.rows])


class FrameMethod:
    """Base of the frame methods. A method is its settings and parts: it holds no state between calls."""

    name = "full"
    interleave = 0
    records = False  # whether I-frames leave keys and values

    @property
    def lookahead(self) -> bool:
        """Whether P-frames also lean on the I-frame after them."""
        return False

    @property
    def needs_motion(self) -> bool:
        """Whether codec motion is of use."""
        return False

    def encode(self, trunk: VisionTransformer, segments: Sequence[Segment]) -> list[Encoded]:
        """Encode a batch of segments, I-frames in one pass and P-frames in another.

        Args:
            trunk: the vision tower, on the device of the pixels.
            segments: from any number of videos.

        Returns:
            One `Encoded` a segment, in order.
        """
        layout = lay_out(segments, interleave=self.interleave, lookahead=self.lookahead)
        pixels = (
            torch.cat([segment.pixels for segment in segments]) if len(segments) > 1 else segments[0].pixels
        )
        anchors = self._encode_anchors(trunk, pixels, layout)
        between = None
        if len(layout.between):
            between = self.encode_between(trunk, pixels, layout, anchors, segments)
        return self._split(trunk, segments, layout, anchors, between)

    def encode_between(
        self,
        trunk: VisionTransformer,
        pixels: Tensor,
        layout: Layout,
        anchors: Anchors,
        segments: Sequence[Segment],
    ) -> Between:
        """P-frames from their I-frames; without a rule of its own a method repeats the I-frame before."""
        return Between(anchors.vectors[layout.previous])

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, frames: int) -> int:
        """MACs of `frames` P-frames whose recomputed patches are `kept` [frames, k]."""
        return 0

    def _encode_anchors(self, trunk: VisionTransformer, pixels: Tensor, layout: Layout) -> Anchors:
        config = trunk.config
        tokens = config.prefix + config.patches
        count = len(layout.anchors)
        vectors = torch.empty(count, config.dim, device=pixels.device)
        context = None
        if self.records:
            # one tensor a layer: a single large one would be returned to the system and faulted in again every call
            shape = (2, count, config.heads, tokens, config.width // config.heads)
            context = [
                torch.empty(shape, device=pixels.device, dtype=trunk.dtype) for _ in range(config.layers)
            ]
        for row, anchor in layout.carried.items():
            vectors[row] = anchor.vector
            for layer, kv in enumerate(anchor.context or ()):
                if context is not None:
                    context[layer][:, row] = kv
        fresh = torch.tensor([row for row in range(count) if row not in layout.carried], dtype=torch.int64)
        for rows in batches(fresh, tokens, pixels.device):
            reduction = Record(context, rows) if context is not None else Reduction()
            vectors[rows] = unit(trunk(trunk.embed(pixels[layout.anchors[rows]]), reduction))
        return Anchors(vectors, context)

    def _split(
        self,
        trunk: VisionTransformer,
        segments: Sequence[Segment],
        layout: Layout,
        anchors: Anchors,
        between: Between | None,
    ) -> list[Encoded]:
        """Batch results back to segments, with what each one's last frame leaves behind."""
        total = sum(len(segment.pixels) for segment in segments)
        vectors = torch.empty(total, trunk.config.dim, device=anchors.vectors.device)
        vectors[layout.anchors] = anchors.vectors
        if between is not None:
            vectors[layout.between] = between.vectors
        is_anchor = np.zeros(total, dtype=np.bool_)
        is_anchor[layout.anchors.numpy()] = True
        full = vit_macs(trunk.config)
        encoded, base = [], 0
        for number, segment in enumerate(segments):
            stop = base + len(segment.pixels)
            mine = layout.segment == number
            kept = None if between is None or between.kept is None else between.kept[mine]
            scores = None if between is None or between.scores is None else between.scores[mine]
            own_anchors = int(is_anchor[base:stop].sum()) - (segment.carried is not None)
            macs = own_anchors * full + self.macs_between(trunk, kept, int(mine.sum()))
            closing = None
            if self.lookahead:
                row = int((layout.anchors == stop - 1).nonzero()[0, 0])
                context = None if anchors.context is None else [kv[:, row].clone() for kv in anchors.context]
                closing = Anchor(anchors.vectors[row], context)
            encoded.append(Encoded(vectors[base:stop], is_anchor[base:stop], macs, closing, kept, scores))
            base = stop
        return encoded


def batches(rows: Tensor, tokens: int, device: torch.device) -> Iterator[Tensor]:
    """Cut rows [r] of `tokens` tokens each into near-equal batches that fit the device's budget of token rows."""
    budget = CPU_ROWS if device.type == "cpu" else GPU_ROWS
    parts = -(-len(rows) * tokens // budget)
    yield from (part for part in rows.tensor_split(max(parts, 1)) if len(part))


def as_index(rows: Tensor) -> Tensor | slice:
    """Rows as a slice where they are consecutive: reading and writing then need no gather."""
    if len(rows) and int(rows[-1] - rows[0]) == len(rows) - 1 and bool((rows.diff() == 1).all()):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
