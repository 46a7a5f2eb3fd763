"""What every frame method shares: segments of video in, vectors out, with I-frames first and P-frames after.

Frames are cut into groups of N + 1: an I-frame, encoded in full, and N P-frames that lean on it. A method with
`lookahead` also leans on the I-frame after, so the last frame of a video is an I-frame too. Source: ResidualViT,
section 3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.methods.layout import Anchor, Layout, Segment, lay_out
from vidskim.models.cost import vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer, unit

# Token rows that go through the trunk together: the largest activation then stays in a CPU's last-level cache.
CPU_ROWS = 1600
GPU_ROWS = 65536


@dataclass(frozen=True)
class Anchors:
    """I-frames of a batch: vectors [a, d] and, if recorded, keys and values, a [2, a, h, n, k] for each layer."""

    vectors: Tensor
    context: list[Tensor] | None


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
        kept, scores, slots: rows for this segment's P-frames, as in `Between`.
    """

    vectors: Tensor
    anchor_frames: npt.NDArray[np.bool_]
    macs: int
    closing: Anchor | None
    kept: Tensor | None
    scores: Tensor | None
    slots: Tensor | None = None


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
        layout = lay_out(segments, interleave=self.interleave, lookahead=self.lookahead)
        parts = [segment.pixels for segment in segments]
        pixels = torch.cat(parts) if len(parts) > 1 else parts[0]
        batch = Batch(pixels, segments, layout, self._encode_anchors(trunk, pixels, layout))
        between = self.encode_between(trunk, batch) if len(layout.between) else None
        return self._split(trunk, batch, between)

    def encode_between(self, trunk: VisionTransformer, batch: Batch) -> Between:
        """P-frames from their I-frames; without a rule of its own a method repeats the I-frame before."""
        return Between(batch.anchors.vectors[batch.layout.previous])

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, groups: int) -> int:
        """MACs of the P-frames of `groups` groups, whose recomputed patches are `kept` [p, k]."""
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
            vectors[rows] = unit(trunk(trunk.embed(pixels[as_index(layout.anchors[rows])]), reduction))
        return Anchors(vectors, context)

    def _split(self, trunk: VisionTransformer, batch: Batch, between: Between | None) -> list[Encoded]:
        """Batch results back to segments, with what each one's last I-frame leaves behind."""
        layout, anchors = batch.layout, batch.anchors
        vectors = torch.empty(len(batch.pixels), trunk.config.dim, device=batch.pixels.device)
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
            groups = len(set(layout.previous[mine].tolist()))
            macs = own_anchors * vit_macs(trunk.config) + self.macs_between(trunk, kept, groups)
            closing = None
            if segment.continues:
                closing = self._closing(anchors, row=int((layout.anchors < stop).sum()) - 1)
            encoded.append(
                Encoded(vectors[base:stop], is_anchor[base:stop], macs, closing, kept, scores, slots)
            )
            base = stop
        return encoded

    def _closing(self, anchors: Anchors, *, row: int) -> Anchor:
        context = None if anchors.context is None else [kv[:, row].clone() for kv in anchors.context]
        return Anchor(anchors.vectors[row].clone(), context)


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
