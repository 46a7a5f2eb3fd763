"""Multi-head attention. One weight holds the three projections, stored as rows q, k, v so that it can be sliced."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidskim.errors import SettingsError
from vidskim.models.linear import Linear

# Logits of this many bytes stay in a core's share of the last-level cache.
LOGITS_BYTES = 8 << 20


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
    plain = bias is None and not causal
    if plain and q.device.type == "cpu" and q.dtype == torch.bfloat16 and not torch.is_grad_enabled():
        return attend_in_products(q, k, v)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)


def attend_in_products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as two batched matrix products, a few samples at a time so that the logits stay in cache.

    In bfloat16 on a CPU this is 1.3 to 1.9 times as fast as the fused kernel; see docs/log.md. Shapes as in `attend`.
    """
    _, h, n, c = q.shape
    m = k.shape[2]
    samples = max(1, LOGITS_BYTES // (h * n * m * q.itemsize))
    out = []
    for qs, ks, vs in zip(*(torch.split(x, samples) for x in (q, k, v)), strict=True):
        rows = len(qs) * h
        keys = ks.reshape(rows, m, c).transpose(1, 2)
        logits = torch.baddbmm(
            q.new_empty(()).expand(rows, n, m), qs.reshape(rows, n, c), keys, beta=0, alpha=c**-0.5
        )
        out.append(torch.bmm(logits.softmax(dim=-1), vs.reshape(rows, m, c)).view(-1, h, n, c))
    return out[0] if len(out) == 1 else torch.cat(out)


class Attention(nn.Module):
    """Projections around `attend`: width d, `heads` heads of d / heads channels."""

    def __init__(self, *, width: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise SettingsError(f"width {width} is not divisible by {heads} heads")
        self.width, self.heads = width, heads
        self.qkv = Linear(width, 3 * width, bias=qkv_bias)
        self.out = Linear(width, width)

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
