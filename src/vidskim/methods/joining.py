"""Neighbouring clips become one row of tokens inside the trunk, and like tokens become one, by a plan.

Source: Shen et al., TempMe, ICLR 2025, and its code; Bolya et al., Token Merging, ICLR 2023, for the matching.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vidskim.models.attention import attend
from vidskim.models.reduction import Reduction, mean_of_heads
from vidskim.tokens.clip_plan import ClipBlock
from vidskim.tokens.match import match, merge

HIDDEN = (
    -1e4
)  # added to logits of tokens that stand for nothing; finite, so that a clip of nothing else stays finite


@dataclass(frozen=True)
class Merged:
    """One merging, in all clips of a batch.

    Args:
        layer: the block's number.
        stage: "across" the clips that were just joined, or "within" a clip after its attention.
        frames: frames in a clip, whose class tokens come first and are never merged.
        slots: where each token of the clip stands afterwards, int64 [clips, n]; merged tokens share a slot.
    """

    layer: int
    stage: Literal["across", "within"]
    frames: int
    slots: Tensor


class JoinClips(Reduction):
    """Joins and merges by a plan, and lets attention count each token as many times as it has patches inside.

    Args:
        blocks: the plan's, for this trunk.
        positions: clip positions by block, [clips that enter the block, d]; no entry adds nothing.
        by_clip: split tokens for matching across clips by their clips.
        faithful: positions are left out where nothing is merged.
        shown: which frames count, bool [frames of all videos], or None for all.
        traced: also match in the last block, where merging changes nothing that is read.
    """

    def __init__(
        self,
        blocks: Sequence[ClipBlock],
        *,
        positions: Mapping[int, Tensor],
        by_clip: bool = False,
        faithful: bool = False,
        shown: Tensor | None = None,
        traced: bool = False,
    ) -> None:
        self.blocks, self.positions = blocks, positions
        self.by_clip, self.faithful, self.shown, self.traced = by_clip, faithful, shown, traced
        self.size: Tensor | None = None  # [clips, n] float32; None while every token is one
        self.trail: list[Merged] = []

    def begin(self, x: Tensor) -> Tensor:
        """Nothing is joined yet; tokens of frames that do not count have size 0."""
        self.trail = []
        self.size = None if self.shown is None else self.shown.float()[:, None].expand(-1, x.shape[1])
        return x

    def before_attention(self, layer: int, x: Tensor) -> Tensor:
        """Join clips and merge across them: [clips, n, d] -> [clips / k, m, d]."""
        block = self.blocks[layer]
        k = block.joined
        if k == 1:
            return x
        classes = block.frames // k
        joined = placed = join(x, k, classes=classes)
        if self.size is not None:
            self.size = join(self.size[..., None], k, classes=classes)[..., 0]
        if layer in self.positions and (block.across or not self.faithful):
            position = self.positions[layer].to(x.dtype)
            placed = join(
                (x.view(-1, len(position), *x.shape[1:]) + position[:, None]).view_as(x), k, classes=classes
            )
        if not block.across:
            return placed
        run = block.entering - classes if self.by_clip else None
        slots = self._match(block, "across", joined, block.across, run=run)
        return self._merge(placed, slots, block.attending)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Proportional attention: the logarithm of a token's size is added to its logits."""
        block = self.blocks[layer]
        if self.traced and block is self.blocks[-1] and block.within:
            self._match(block, "within", mean_of_heads(k), block.within)
        bias = None if self.size is None else self.size.log().clamp_min(HIDDEN)[:, None, None].to(q.dtype)
        return attend(q, k, v, bias=bias)

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Merge within clips by the keys, averaged over heads: [clips, n, d] -> [clips, m, d]."""
        block = self.blocks[layer]
        if not block.within:
            return x
        slots = self._match(block, "within", mean_of_heads(keys), block.within)
        return self._merge(x, slots, block.leaving)

    def _match(
        self,
        block: ClipBlock,
        stage: Literal["across", "within"],
        metric: Tensor,
        r: int,
        *,
        run: int | None = None,
    ) -> Tensor:
        size = None if self.shown is None else self.size
        slots = match(metric.detach(), r, protected=block.frames, run=run, size=size)
        self.trail.append(Merged(block.layer, stage, block.frames, slots))
        return slots

    def _merge(self, x: Tensor, slots: Tensor, count: int) -> Tensor:
        size = torch.ones(x.shape[:2], device=x.device) if self.size is None else self.size
        x, self.size = merge(x, slots, size, count=count)
        return x


def join(x: Tensor, k: int, *, classes: int) -> Tensor:
    """Every k neighbouring clips become one row, class tokens first: [clips, n, d] -> [clips / k, k n, d].

    Args:
        x: clips of a video follow each other in order of time.
        k: how many become one.
        classes: class tokens at the start of each clip.
    """
    groups = x.view(-1, k, *x.shape[1:])  # clips/k k n d
    return torch.cat([groups[:, :, :classes].flatten(1, 2), groups[:, :, classes:].flatten(1, 2)], dim=1)


def follow_patches(blocks: Sequence[ClipBlock], merged: Sequence[Merged]) -> list[Tensor]:
    """In which token each patch of a video is, after each block.

    Args:
        blocks: the plan's, for the trunk.
        merged: of one video, the last block's among them (`traced`).

    Returns:
        For each block the patches' tokens, numbered through the video, int64 [frames, patches]: clips one after the
        other, class tokens counted. Patches of one number became one token.
    """
    slots: dict[tuple[int, str], Tensor] = {(each.layer, each.stage): each.slots for each in merged}
    frames, n = blocks[0].clips * blocks[0].frames, blocks[0].entering
    place = torch.arange(frames * n).view(frames, n)[:, 1:]
    found = []
    for block in blocks:
        clips = block.clips * block.joined
        if block.joined > 1:
            tokens = torch.arange(clips * block.entering).view(clips, -1, 1)
            joined = join(tokens, block.joined, classes=block.frames // block.joined)
            place = joined.flatten().argsort()[place]
        for stage, count in (("across", block.attending), ("within", block.leaving)):
            if (own := slots.get((block.layer, stage))) is not None:
                place = (own + count * torch.arange(block.clips)[:, None]).flatten()[place]
        found.append(place)
    return found
