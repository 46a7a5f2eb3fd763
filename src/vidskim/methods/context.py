"""What I-frames leave behind for P-frames: keys, values and where each patch went, block by block."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidskim.methods.condense import Condense, Schedule
from vidskim.models.variants import VitConfig


@dataclass(frozen=True)
class FrameContext:
    """One I-frame's part.

    Args:
        layers: keys and values [2, h, m, k] of each block; m falls where tokens were merged.
        slots: the token of each first token, for each block [layers, n].
        importance: of the patches, 1 on average [patches].
        strain: what merging loses in this video as a multiple of what is typical.
    """

    layers: list[Tensor]
    slots: Tensor
    importance: Tensor
    strain: float


class Context:
    """The I-frames of a batch. Frames whose tokens were merged further are padded with tokens nothing points to.

    Args:
        config: of the tower.
        widths: tokens entering each block, of the frame that has most.
        frames: how many I-frames.
        like: gives device and type of keys and values.
    """

    def __init__(self, config: VitConfig, widths: Sequence[int], *, frames: int, like: Tensor) -> None:
        heads, channels = config.heads, config.width // config.heads
        # one tensor a layer: a single large one would be returned to the system and faulted in again every call
        self.layers = [like.new_empty(2, frames, heads, width, channels) for width in widths]
        first = torch.arange(config.prefix + config.patches, device=like.device)
        self.slots = first.repeat(frames, config.layers, 1)
        self.importance = torch.zeros(frames, config.patches, device=like.device)
        self.strain = torch.ones(frames, device=like.device)

    def tokens(self) -> Tensor:
        """How many tokens each I-frame ends with, int64 [a]."""
        return self.slots[:, -1].amax(dim=1) + 1

    def put(self, row: int, frame: FrameContext) -> None:
        """Write one I-frame's part."""
        for layer, kv in zip(self.layers, frame.layers, strict=True):
            layer[:, row, :, : kv.shape[2]] = kv
            layer[:, row, :, kv.shape[2] :] = 0
        self.slots[row], self.importance[row], self.strain[row] = frame.slots, frame.importance, frame.strain

    def take(self, row: int) -> FrameContext:
        """A copy of one I-frame's part."""
        counts = (self.slots[row].amax(dim=1) + 1).tolist()
        layers = [layer[:, row, :, :count].clone() for layer, count in zip(self.layers, counts, strict=True)]
        strain = float(self.strain[row])
        return FrameContext(layers, self.slots[row].clone(), self.importance[row].clone(), strain)


class Record(Condense):
    """Writes I-frames' keys, values, slots and importance into rows of a context, and merges by a schedule.

    Args:
        context: to be filled.
        rows: of it, int64 [b] or a slice.
        schedule: of merging.
        config: of the tower.
    """

    def __init__(
        self, context: Context, rows: Tensor | slice, schedule: Schedule, *, config: VitConfig
    ) -> None:
        super().__init__(schedule.counts(config), protected=config.prefix)
        self.context, self.rows, self.typical = context, rows, schedule.lost * config.patches

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """As `Condense`; keys and values are copied out, and the patches' importance is added up."""
        kv, own = self.context.layers[layer], k.shape[2]
        kv[0, self.rows, :, :own], kv[1, self.rows, :, :own] = k, v
        if own < kv.shape[3]:
            kv[:, self.rows, :, own:] = 0
        if self.slots is not None:
            self.context.slots[self.rows, layer] = self.slots
        out = super().attend(layer, q, k, v)
        if self.importance is not None:
            spread = self.importance if self.slots is None else self.importance.gather(1, self.slots)
            self.context.importance[self.rows] += spread[:, self.protected :] / len(self.context.layers)
        if layer == len(self.context.layers) - 1 and self.lost is not None:
            self.context.strain[self.rows] = self.lost / self.typical
        return out
