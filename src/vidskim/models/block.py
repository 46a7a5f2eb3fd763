"""One pre-norm transformer block, the same for every ViT and for text."""

import torch
from torch import Tensor, nn

from vidskim.models.attention import Attention
from vidskim.models.linear import Linear
from vidskim.models.reduction import Reduction


class Mlp(nn.Module):
    """Two linear layers around an activation."""

    def __init__(self, *, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden, activation=activation)
        self.fc2 = Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, n, d] -> [b, n, d]."""
        out: Tensor = self.fc2(self.fc1(x))
        return out


class Block(nn.Module):
    """x + scale1 attention(norm1 x), then x + scale2 mlp(norm2 x); the scales exist with LayerScale only."""

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        hidden: int,
        activation: str,
        eps: float,
        qkv_bias: bool = True,
        layer_scale: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = Attention(width=width, heads=heads, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width=width, hidden=hidden, activation=activation)
        self.scale1 = nn.Parameter(torch.ones(width)) if layer_scale else None
        self.scale2 = nn.Parameter(torch.ones(width)) if layer_scale else None

    def forward(self, x: Tensor, *, layer: int, reduction: Reduction) -> Tensor:
        """Tokens [b, n, d] -> [b, m, d], m < n where the reduction drops or merges."""
        x = reduction.before_attention(layer, x)
        q, k, v = self.attention.project(self.norm1(x))
        x = self._add(x, self.attention.merge(reduction.attend(layer, q, k, v)), self.scale1)
        x = reduction.after_attention(layer, x, k)
        x = self._add(x, self.mlp(self.norm2(x)), self.scale2)
        return reduction.after_block(layer, x, k)

    def forward_first(self, x: Tensor, rows: slice | Tensor, *, layer: int, reduction: Reduction) -> Tensor:
        """The block's output for some tokens only, by number or as a slice: [b, n, d] -> [b, rows, d].

        All tokens are still read as keys and values. For the last block of a class-pooled model: exact, and 10/12 of
        that block's linear layers cheaper. Nothing is left to reduce, so the two `after` hooks are not called.
        """
        x = reduction.before_attention(layer, x)
        q, k, v = self.attention.project_some(self.norm1(x), rows)
        x = self._add(x[:, rows], self.attention.merge(reduction.attend(layer, q, k, v)), self.scale1)
        return self._add(x, self.mlp(self.norm2(x)), self.scale2)

    @staticmethod
    def _add(x: Tensor, update: Tensor, scale: Tensor | None) -> Tensor:
        return x + update if scale is None else x + update * scale
