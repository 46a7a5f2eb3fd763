"""Multi-head attention, fused. One weight holds the three projections, stored as rows q, k, v so that it can be sliced."""

import torch.nn.functional as F
from torch import Tensor, nn


def attend(q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | None = None, causal: bool = False) -> Tensor:
    """Scaled dot-product attention.

    Args:
        q: queries [b, h, n, k].
        k: keys [b, h, m, k].
        v: values [b, h, m, k].
        bias: added to the logits, broadcastable to [b, h, n, m]; log sizes for proportional attention.
        causal: query i sees keys 0..i only.

    Returns:
        [b, h, n, k].
    """
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)


class Attention(nn.Module):
    """Projections around `attend`: width d, `heads` heads of d / heads channels."""

    def __init__(self, *, width: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.width, self.heads = width, heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.out = nn.Linear(width, width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [b, h, n, k] of tokens [b, n, d], as views of one matrix product."""
        b, n, _ = x.shape
        # b n (3 h k) -> 3 b h n k
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v

    def project_some(self, x: Tensor, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """As `project`, with queries [b, h, rows, k] of the first `rows` tokens only."""
        b, n, d = x.shape
        bias = self.qkv.bias
        q = F.linear(x[:, :rows], self.qkv.weight[:d], None if bias is None else bias[:d])
        kv = F.linear(x, self.qkv.weight[d:], None if bias is None else bias[d:])
        k, v = kv.view(b, n, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q.view(b, rows, self.heads, -1).transpose(1, 2), k, v

    def merge(self, attended: Tensor) -> Tensor:
        """Heads back together and projected: [b, h, n, k] -> [b, n, d]."""
        b, _, n, _ = attended.shape
        out: Tensor = self.out(attended.transpose(1, 2).reshape(b, n, self.width))
        return out
