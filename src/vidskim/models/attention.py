"""Multi-head attention. One weight holds the three projections, stored as rows q, k, v so that it can be sliced."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidskim.errors import SettingsError
from vidskim.models.linear import Linear

# Logits of this many bytes stay in a core's share of the last-level cache.
LOGITS_BYTES = 2 << 20


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
    if not causal and prefers_products(q):
        return attend_in_products(q, k, v, bias=bias)[0]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)


def attend_and_show(q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """As `attend`, and how the first query divides its attention.

    Args:
        q, k, v: as in `attend`.
        bias: added to the logits [b, 1, 1, m], or None.

    Returns:
        [b, h, n, k], and the first query's shares of the keys [b, h, m].
    """
    if prefers_products(q):
        return attend_in_products(q, k, v, bias=bias)
    # scaled before the product, which would overflow float16
    logits = (q[:, :, :1] * q.shape[-1] ** -0.5 @ k.mT)[:, :, 0]
    first = (logits if bias is None else logits + bias[:, :, 0]).softmax(dim=-1)
    return attend(q, k, v, bias=bias), first


def prefers_products(q: Tensor) -> bool:
    """Whether matrix products are faster than the fused kernel: in bfloat16 on a CPU, without gradients."""
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and not torch.is_grad_enabled()


def attend_in_products(
    q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Attention as two batched matrix products, a few samples at a time so that the logits stay in cache.

    In bfloat16 on a CPU this is 1.3 to 1.9 times as fast as the fused kernel; see docs/log.md. Arguments and results as
    in `attend_and_show`.
    """
    b, h, n, c = q.shape
    m = k.shape[2]
    samples = max(1, LOGITS_BYTES // (h * n * m * q.itemsize))
    bias = None if bias is None else bias.expand(b, h, -1, m)
    out, first = [], []
    for start in range(0, b, samples):
        few = slice(start, start + samples)
        rows = len(q[few]) * h
        if bias is None:
            base, beta = q.new_empty(()).expand(rows, n, m), 0
        else:
            base, beta = bias[few].reshape(rows, -1, m).expand(rows, n, m), 1
        keys = k[few].reshape(rows, m, c).transpose(1, 2)
        logits = torch.baddbmm(base, q[few].reshape(rows, n, c), keys, beta=beta, alpha=c**-0.5)
        attention = logits.softmax(dim=-1)
        out.append(torch.bmm(attention, v[few].reshape(rows, m, c)).view(-1, h, n, c))
        first.append(attention[:, 0].view(-1, h, m))
    return (out[0], first[0]) if len(out) == 1 else (torch.cat(out), torch.cat(first))


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

    def project_some(self, x: Tensor, rows: slice | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `project`, with queries [b, h, rows, k] of some tokens only."""
        b, n, d = x.shape
        # contiguous, or the weight is copied for every sample
        q, kv = self.qkv.part(x[:, rows].contiguous(), slice(0, d)), self.qkv.part(x, slice(d, None))
        k, v = kv.view(b, n, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q.view(b, -1, self.heads, q.shape[-1] // self.heads).transpose(1, 2), k, v

    def merge(self, attended: Tensor) -> Tensor:
        """Heads back together and projected: [b, h, n, k] -> [b, n, d]."""
        b, _, n, _ = attended.shape
        out: Tensor = self.out(attended.transpose(1, 2).reshape(b, n, self.width))
        return out
