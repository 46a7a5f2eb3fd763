"""The places where a method may act inside the trunk. Every hook defaults to doing nothing.

A `Reduction` is made for one forward pass and carries whatever that pass must remember (recorded keys, token sizes,
a trace); nothing is stored in the model. Which patches are embedded
at all is an argument of `VisionTransformer.embed`, and tokens are added or taken away in `begin`.
"""

import torch
from torch import Tensor

from vidskim.models.attention import attend


def mean_of_heads(keys: Tensor) -> Tensor:
    """What tokens are compared by, in float32 or wider: keys [b, h, n, k] -> [b, n, k]."""
    return keys.to(torch.promote_types(keys.dtype, torch.float32)).mean(dim=1)


class Reduction:
    """Shapes: b batch, n tokens, d width, h heads, k channels per head."""

    def begin(self, x: Tensor) -> Tensor:
        """Embedded tokens [b, n, d] with positions, before the first norm; may add or take away tokens."""
        return x

    def before_attention(self, layer: int, x: Tensor) -> Tensor:
        """Tokens [b, n, d] entering a block; may join clips, merge or drop tokens."""
        return x

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention itself: q [b, h, n, k], k and v [b, h, m, k] -> [b, h, n, k]. May record, blend or weigh keys."""
        return attend(q, k, v)

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Tokens [b, n, d] between attention and MLP, with this layer's keys [b, h, n, k]; may merge or drop tokens."""
        return x

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Tokens [b, n, d] after the MLP, with this layer's keys [b, h, n, k]; may merge or drop tokens."""
        return x


class CausalAttention(Reduction):
    """Each token sees itself and those before it: the text tower."""

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v, causal=True)
