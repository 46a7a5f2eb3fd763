"""Which tokens become one: bipartite soft matching, and merging as a map from tokens to slots.

A slot is a token's place after merging. Slots compose (`slots_after.gather(1, slots_before)`) and can be undone.
Nothing here has parameters or state. Source: Bolya et al., Token Merging, ICLR 2023, section 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def merged_count(tokens: int, r: int, *, protected: int) -> int:
    """Tokens left where `r` are to be merged: at most half of the unprotected ones go."""
    return tokens - max(0, min(r, (tokens - protected) // 2))


def match(metric: Tensor, r: int, *, protected: int) -> Tensor:
    """Merge the `r` tokens at even places that are most like one at an odd place into it.

    Each even token looks at its best odd one by cosine; of equal cosines the lower place counts as the better, for the
    sort is stable. Afterwards come the protected tokens, the even tokens that are left, and the odd ones, each in their
    order.

    Args:
        metric: what tokens are compared by [b, n, k].
        r: tokens to merge; see `merged_count`.
        protected: leading tokens that neither merge nor are merged into, 0 or more.

    Returns:
        The slot of each token, int64 [b, n].
    """
    b, n, _ = metric.shape
    r = n - merged_count(n, r, protected=protected)
    if r == 0:
        return torch.arange(n, device=metric.device).expand(b, -1)
    first_even, first_odd = protected + protected % 2, protected + 1 - protected % 2
    unit = F.normalize(metric.float(), dim=-1)
    even, odd = unit[:, first_even::2], unit[:, first_odd::2]
    likeness, target = (even @ odd.mT).max(dim=2)
    going = likeness.sort(dim=1, descending=True, stable=True).indices[:, :r]
    stays = torch.ones_like(target, dtype=torch.bool).scatter_(1, going, False)

    slots = torch.empty(b, n, dtype=torch.int64, device=metric.device)
    slots[:, :protected] = torch.arange(protected, device=metric.device)
    odd_start = protected + even.shape[1] - r
    slots[:, first_odd::2] = torch.arange(odd_start, odd_start + odd.shape[1], device=metric.device)
    slots[:, first_even::2] = torch.where(stays, protected - 1 + stays.cumsum(dim=1), odd_start + target)
    return slots


def merge(x: Tensor, slots: Tensor, size: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """Tokens that share a slot become their mean, weighted by size.

    Args:
        x: tokens [b, n, d].
        slots: int64 [b, n], each of 0..count - 1 taken.
        size: how many original tokens each stands for, float32 [b, n].
        count: slots, m.

    Returns:
        Tokens [b, m, d] in the type of `x`, and their sizes [b, m].
    """
    b, n, d = x.shape
    total = size.new_zeros(b, count).scatter_add_(1, slots, size)
    share = size / total.gather(1, slots)  # exactly 1 for a token alone
    rows = (slots + torch.arange(b, device=x.device)[:, None] * count).view(-1, 1).expand(-1, d)
    merged = torch.zeros(b * count, d, device=x.device)
    merged.scatter_add_(0, rows, (x * share[..., None]).view(b * n, d))
    return merged.view(b, count, d).to(x.dtype), total


def undo(x: Tensor, slots: Tensor) -> Tensor:
    """Each original token gets what its slot holds: [b, m, d] and slots [b, n] -> [b, n, d]."""
    return x.gather(1, slots[..., None].expand(-1, -1, x.shape[2]))
