"""Token merging: in every block, between attention and MLP, the tokens most alike become one.

Source: Bolya et al., Token Merging, ICLR 2023; ResidualViT compares itself with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.methods.frames import Encoded, FrameMethod, as_index, batches
from vidskim.methods.layout import Segment
from vidskim.models.attention import attend
from vidskim.models.cost import merged_macs
from vidskim.models.reduction import Reduction, mean_of_heads
from vidskim.models.vit import VisionTransformer, unit
from vidskim.tokens.match import match, merge, merged_count


class SizedTokens(Reduction):
    """Tokens that are merged by their keys; attention counts each as many times as it has tokens inside.

    Args:
        protected: leading tokens that neither merge nor are merged into: class token, registers, residual token.
    """

    def __init__(self, *, protected: int) -> None:
        self.protected = protected
        self.size: Tensor | None = None  # [b, n] float32; None while every token is one
        self.after: list[Tensor] = []  # after each merging the slot of each first token, int64 [b, n]

    def begin(self, x: Tensor) -> Tensor:
        """Nothing is merged yet."""
        self.size, self.after = None, []
        return x

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Proportional attention: the logarithm of a token's size is added to its logits."""
        bias = None if self.size is None else self.size.log()[:, None, None].to(q.dtype)
        return attend(q, k, v, bias=bias)

    def merge(self, x: Tensor, keys: Tensor, r: int) -> Tensor:
        """Merge `r` tokens by the keys [b, h, n, k], averaged over heads: [b, n, d] -> [b, m, d]."""
        b, n, _ = x.shape
        count = merged_count(n, r, protected=self.protected)
        slots = match(mean_of_heads(keys), r, protected=self.protected)
        self.after.append(slots.gather(1, self.after[-1]) if self.after else slots)
        if count == n:
            return x
        size = torch.ones(b, n, device=x.device) if self.size is None else self.size
        x, self.size = merge(x, slots, size, count=count)
        return x


class Merge(SizedTokens):
    """Merges in every block.

    Args:
        r: tokens merged in each.
        protected: see `SizedTokens`.
    """

    def __init__(self, r: int, *, protected: int) -> None:
        super().__init__(protected=protected)
        self.r = r

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Merge by the keys, averaged over heads: [b, n, d] -> [b, m, d]."""
        return self.merge(x, keys, self.r)

    def slots(self, layers: int) -> Tensor:
        """The slot of each patch after each block, int64 [b, layers, patches]; the last block merges nothing."""
        last = self.after[-1:] * (layers - len(self.after))
        return torch.stack([*self.after, *last], dim=1)[:, :, self.protected :]


def encode_merging(
    tower: VisionTransformer, embed: Callable[[Tensor], Tensor], frames: int, *, r: int, protected: int
) -> tuple[Tensor, Tensor]:
    """Frames with all their patches, merged on the way.

    Args:
        tower: the vision tower.
        embed: tokens of the frames with these numbers, [b] -> [b, protected + patches, d].
        frames: how many there are.
        r: tokens merged in each block.
        protected: tokens before the patches.

    Returns:
        Vectors [frames, dim], normalised, and slots int64 [frames, layers, patches] on the CPU.
    """
    config, device = tower.config, tower.class_token.device
    vectors = torch.empty(frames, config.dim, device=device)
    slots = torch.empty(frames, config.layers, config.patches, dtype=torch.int64)
    for rows in batches(torch.arange(frames), protected + config.patches, device):
        merging = Merge(r, protected=protected)
        vectors[rows] = unit(tower(embed(rows), merging))
        slots[rows] = merging.slots(config.layers).cpu()
    return vectors, slots


def check_r(r: int | None) -> None:
    """Whether `r` can be a number of tokens to merge.

    Raises:
        SettingsError: it cannot.
    """
    if r is None or r < 0:
        raise SettingsError(f"r is the number of tokens merged in each block, 0 or more; received {r}")


@dataclass(frozen=True)
class Merging(FrameMethod):
    """Every frame on its own, its tokens merged in every block; no frame is encoded in full.

    Args:
        r: tokens merged in each block, at most half of those that are left.
    """

    r: int = 8
    name = "merge"

    def __post_init__(self) -> None:
        check_r(self.r)

    def encode(self, trunk: VisionTransformer, segments: Sequence[Segment]) -> list[Encoded]:
        """All frames as P-frames that lean on nothing."""
        config = trunk.config
        pixels = torch.cat([segment.pixels for segment in segments])

        def embed(rows: Tensor) -> Tensor:
            return trunk.embed(pixels[as_index(rows)])

        vectors, slots = encode_merging(trunk, embed, len(pixels), r=self.r, protected=config.prefix)
        each = merged_macs(config, r=self.r)
        kept = torch.arange(config.patches).expand(len(pixels), -1)
        encoded, start = [], 0
        for segment in segments:
            own = slice(start, start + len(segment.pixels))
            start = own.stop
            kinds = np.zeros(len(segment.pixels), np.bool_)
            macs = each * len(segment.pixels)
            itself = torch.arange(segment.first, segment.first + len(kinds))[:, None].expand(-1, 2)
            encoded.append(
                Encoded(vectors[own], kinds, macs, None, itself, None, kept[own], None, slots[own])
            )
        return encoded
