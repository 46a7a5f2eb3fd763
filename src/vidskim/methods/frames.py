"""What every frame method shares: segments of video in, vectors out, with I-frames first and P-frames after.

Frames are cut into groups of N + 1: an I-frame, encoded in full, and N P-frames that lean on it. A method with
`lookahead` also leans on the I-frame after, so the last frame of a video is an I-frame too. Source: ResidualViT,
section 3.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.methods.context import Context
from vidskim.methods.layout import Anchor, Layout, Segment, lay_out, regular
from vidskim.models.cost import vit_macs
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer, unit

# Token rows that go through the trunk together: the largest activation then stays in a CPU's last-level cache.
CPU_ROWS = 1600
GPU_ROWS = 65536


@dataclass(frozen=True)
class Anchors:
    """I-frames of a batch: vectors [a, d] and, if recorded, what they left in each block."""

    vectors: Tensor
    context: Context | None = None


@dataclass(frozen=True)
class Batch:
    """Segments on their way through a method, their I-frames encoded.

    Args:
        pixels: of all segments, one after the other [t, 3, y, x].
        segments: what they came from.
        layout: which frames are I and P.
        anchors: the I-frames' vectors and context.
    """

    pixels: Tensor
    segments: Sequence[Segment]
    layout: Layout
    anchors: Anchors


@dataclass(frozen=True)
class Between:
    """P-frames of a batch, encoded.

    Args:
        vectors: [p, d], normalised.
        kept: patches recomputed, int64 [p, k], padded with -1 where counts vary; None where nothing is recomputed.
        scores: what they were chosen by, float32 [p, n], or None.
        slots: where tokens are merged, the slot of each patch after each block, int64 [p, layers, patches].
    """

    vectors: Tensor
    kept: Tensor | None = None
    scores: Tensor | None = None
    slots: Tensor | None = None


@dataclass(frozen=True)
class Encoded:
    """One segment, encoded.

    Args:
        vectors: [t, d], normalised; row 0 repeats a carried frame.
        anchor_frames: True for I-frames, bool [t].
        macs: spent on this segment's frames, carried ones apart.
        closing: what the last I-frame leaves behind, if the segment continues.
        links: numbers in the video of the I-frames before and after that each P-frame leans on, int64 [p, 2]; twice
            the same where there is one.
        anchor_tokens: how many tokens each I-frame ends with, int64 [a]; None where nothing can merge them.
        kept, scores, slots: rows for this segment's P-frames, as in `Between`.
    """

    vectors: Tensor
    anchor_frames: npt.NDArray[np.bool_]
    macs: int
    closing: Anchor | None
    links: Tensor
    anchor_tokens: Tensor | None
    kept: Tensor | None
    scores: Tensor | None
    slots: Tensor | None = None


class FrameMethod:
    """Base of the frame methods. A method is its settings and parts: it holds no state between calls."""

    name = "full"
    interleave: int | None = 0
    records = False  # whether I-frames leave keys and values

    @property
    def lookahead(self) -> bool:
        """Whether P-frames also lean on the I-frame after them."""
        return False

    @property
    def step(self) -> int:
        """Segments are multiples of so many frames, a frame of look-ahead apart."""
        return (self.interleave or 0) + 1

    @property
    def plans(self) -> bool:
        """Whether a step is planned as a whole, its first frame too: it is a segment of its own on every device."""
        return False

    @property
    def step_anchors(self) -> int:
        """Most I-frames of that many frames."""
        return 1

    @property
    def asks_motion(self) -> bool | Literal["signed"]:
        """Whether the reader should be asked for codec motion, which costs decoding time, and for which."""
        return False

    @property
    def uses_motion(self) -> bool:
        """Whether the motion of a clip makes a difference."""
        return False

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings that are not in force beside the others, and no part of a fingerprint."""
        return ()

    def between(self, config: VitConfig) -> VitConfig:
        """What P-frames are encoded with, where I-frames are with `config`.

        Raises:
            SettingsError: the settings do not suit the model.
        """
        return config

    def encode(self, trunk: VisionTransformer, segments: Sequence[Segment]) -> list[Encoded]:
        """Encode a batch of segments, I-frames in one pass and P-frames in another.

        Args:
            trunk: the vision tower, on the device of the pixels.
            segments: from any number of videos.

        Returns:
            One `Encoded` a segment, in order.
        """
        groupings = [
            regular(len(segment.pixels), interleave=self.step - 1, lookahead=self.lookahead)
            for segment in segments
        ]
        pixels, layout = join(segments), lay_out(segments, groupings)
        batch = Batch(pixels, segments, layout, self._encode_anchors(trunk, pixels, layout))
        between = self.encode_between(trunk, batch) if len(layout.between) else None
        groups = [len(set(layout.previous[layout.segment == n].tolist())) for n in range(len(segments))]
        return split(
            batch,
            between,
            anchor_macs=vit_macs(trunk.config),
            between_macs=lambda number, kept: self.macs_between(trunk, kept, groups[number]),
        )

    def encode_between(self, trunk: VisionTransformer, batch: Batch) -> Between:
        """P-frames from their I-frames; without a rule of its own a method repeats the I-frame before."""
        return Between(batch.anchors.vectors[batch.layout.previous])

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, groups: int) -> int:
        """MACs of the P-frames of `groups` groups, whose recomputed patches are `kept` [p, k]."""
        return 0

    def _encode_anchors(self, trunk: VisionTransformer, pixels: Tensor, layout: Layout) -> Anchors:
        config = trunk.config
        vectors = torch.empty(len(layout.anchors), config.dim, device=pixels.device)
        for row, anchor in layout.carried.items():
            vectors[row] = anchor.vector
        for rows in batches(fresh_anchors(layout), config.prefix + config.patches, pixels.device):
            vectors[rows] = unit(trunk(trunk.embed(pixels[as_index(layout.anchors[rows])])))
        return Anchors(vectors)


def join(segments: Sequence[Segment]) -> Tensor:
    """The pixels of all segments, one after the other."""
    parts = [segment.pixels for segment in segments]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def fresh_anchors(layout: Layout) -> Tensor:
    """Rows of the I-frames that are not encoded yet, int64 [a]."""
    rows = [row for row in range(len(layout.anchors)) if row not in layout.carried]
    return torch.tensor(rows, dtype=torch.int64)


def split(
    batch: Batch,
    between: Between | None,
    *,
    anchor_macs: int,
    between_macs: Callable[[int, Tensor | None], int],
) -> list[Encoded]:
    """Batch results back to segments, with what each one's last I-frame leaves behind.

    Args:
        batch: encoded.
        between: its P-frames, or None where there are none.
        anchor_macs: of one I-frame.
        between_macs: of a segment's P-frames, given its number and its rows of `kept`.
    """
    layout, anchors = batch.layout, batch.anchors
    vectors = torch.empty(len(batch.pixels), anchors.vectors.shape[1], device=batch.pixels.device)
    vectors[layout.anchors] = anchors.vectors
    if between is not None:
        vectors[layout.between] = between.vectors
    is_anchor = np.zeros(len(batch.pixels), dtype=np.bool_)
    is_anchor[layout.anchors.numpy()] = True
    encoded, base = [], 0
    for number, segment in enumerate(batch.segments):
        stop = base + len(segment.pixels)
        mine = layout.segment == number
        kept = None if between is None or between.kept is None else between.kept[mine]
        scores = None if between is None or between.scores is None else between.scores[mine]
        slots = None if between is None or between.slots is None else between.slots[mine]
        own_anchors = int(is_anchor[base:stop].sum()) - (segment.carried is not None)
        macs = own_anchors * anchor_macs + between_macs(number, kept)
        rows = torch.stack([layout.previous[mine], layout.following[mine]], dim=1)
        links = layout.anchors[rows] - base + segment.first
        tokens = None
        if anchors.context is not None:
            own = (layout.anchors >= base) & (layout.anchors < stop)
            tokens = anchors.context.tokens()[own.to(anchors.vectors.device)].cpu()
        closing = None
        if segment.continues:
            row = int((layout.anchors < stop).sum()) - 1
            context = None if anchors.context is None else anchors.context.take(row)
            closing = Anchor(anchors.vectors[row].clone(), context)
        parts = (closing, links, tokens, kept, scores, slots)
        encoded.append(Encoded(vectors[base:stop], is_anchor[base:stop], macs, *parts))
        base = stop
    return encoded


def batches(rows: Tensor, tokens: int | Tensor, device: torch.device) -> Iterator[Tensor]:
    """Cut rows [r] of `tokens` tokens each, or [r], into near-equal batches that fit the device's budget of tokens."""
    budget = CPU_ROWS if device.type == "cpu" else GPU_ROWS
    widths = torch.as_tensor(tokens).expand(len(rows))
    total = int(widths.sum())
    part = (widths.cumsum(dim=0) - widths) * -(-total // budget) // max(total, 1)
    cuts = (part.diff() > 0).nonzero()[:, 0] + 1
    yield from rows.tensor_split(cuts) if len(rows) else ()


def as_index(rows: Tensor) -> Tensor | slice:
    """Rows as a slice where they are consecutive: reading and writing then need no gather."""
    if len(rows) and int(rows[-1] - rows[0]) == len(rows) - 1 and bool((rows.diff() == 1).all()):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
