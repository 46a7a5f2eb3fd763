"""Merging of the tokens that lose least, block by block and by a schedule: what `reuse` does inside the trunk.

Against `methods/merge.py`, which is token merging as published, pairs are chosen by what merging them loses
(`match_by_loss`), with the class token's attention as importance, and little is merged early.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidskim.models.attention import attend_and_show
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.tokens.match import match_by_loss, merge, merged_count

SLOPE = 0.0102  # of the share merged in a block, for each block before it; in blocks of a trunk of 12
DEPTH = 12
STRAIN_POWER = 1.7


@dataclass(frozen=True)
class Schedule:
    """How many tokens are merged in each block: none in the first and the last, then more and more up to a cap.

    Args:
        name: for people.
        start: share of the patches merged in a block before it grows, in a trunk of 12 blocks.
        cap: the largest share.
        loss: 1 - cosine that it costs a typical frame.
        lost: what its merges lose by their own account in such a frame, a patch; see `match_by_loss`.

    The last two are of DeiT-Tiny on real clips, and measured in docs/log.md.
    """

    name: str
    start: float
    cap: float
    loss: float
    lost: float

    def counts(self, config: VitConfig) -> tuple[int, ...]:
        """Tokens to merge in each block."""
        scale = DEPTH / config.layers
        inner = [
            round(min(self.start + SLOPE * layer * scale, self.cap) * scale * config.patches)
            for layer in range(1, config.layers - 1)
        ]
        return (0, *inner, 0)[: config.layers]

    def expected_loss(self, strain: float) -> float:
        """1 - cosine of frames that are merged by this schedule, where merging loses `strain` times the typical."""
        return self.loss * math.pow(strain, STRAIN_POWER)


NOTHING = Schedule("nothing", 0.0, 0.0, 0.0, 1.0)
LIGHT = Schedule("light", 0.0, 0.0714, 0.0017, 0.0185)
STRONG = Schedule("strong", 0.0306, 0.0765, 0.0075, 0.0415)
SCHEDULES = (NOTHING, LIGHT, STRONG)


class Condense(Reduction):
    """Merges by a schedule; attention counts each token as many times as it stands for patches.

    Args:
        counts: tokens to merge in each block.
        protected: leading tokens that neither merge nor are merged into; token 0 is the class token.
    """

    def __init__(self, counts: Sequence[int], *, protected: int) -> None:
        self.counts, self.protected = counts, protected
        self.size: Tensor | None = None  # [b, n] float32; None while every token is one
        self.importance: Tensor | None = (
            None  # [b, n] float32: attention of the class token a patch, 1 on average
        )
        self.slots: Tensor | None = None  # [b, first tokens]; None while nothing is merged
        self.lost: Tensor | None = None  # [b] by all merges so far

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Proportional attention: the logarithm of a token's size is added to its logits."""
        bias = None if self.size is None else self.size.log()[:, None, None].to(k.dtype)
        out, first = attend_and_show(q, k, v, bias=bias)
        self._weigh(first)
        return out

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Merge what loses least: [b, n, d] -> [b, m, d]."""
        b, n, _ = x.shape
        count = merged_count(n, self.counts[layer], protected=self.protected)
        if count == n or self.importance is None:
            return x
        size = torch.ones(b, n, device=x.device) if self.size is None else self.size
        slots, lost = match_by_loss(
            x, self.counts[layer], size=size, importance=self.importance, protected=self.protected
        )
        self.lost = lost if self.lost is None else self.lost + lost
        x, self.size = merge(x, slots, size, count=count)
        self.slots = slots if self.slots is None else slots.gather(1, self.slots)
        return x

    def _weigh(self, paid: Tensor) -> None:
        """Set the importance: the class token's attention to the tokens [b, h, n], for each of their patches."""
        each = paid.float().mean(dim=1)
        own = torch.ones_like(each) if self.size is None else self.size
        patches = slice(self.protected, None)
        mean = each[:, patches].sum(dim=1, keepdim=True) / own[:, patches].sum(dim=1, keepdim=True)
        self.importance = each / own / mean.clamp(min=torch.finfo(torch.float32).tiny)
