"""Which tokens become one: bipartite soft matching, and merging as a map from tokens to slots.

A slot is a token's place after merging. Slots compose (`slots_after.gather(1, slots_before)`) and can be undone.
Nothing here has parameters or state. Source: Bolya et al., Token Merging, ICLR 2023, section 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.tokens.cosine import cosines

IMPORTANCE_POWER = 0.7
LEAST_DISTANCE = 1e-3  # of equal tokens, so that their sizes and importance still count
MOVE = 2.0  # above any cosine
MEET = -1.5  # below any cosine


def merged_count(tokens: int, r: int, *, protected: int) -> int:
    """Tokens left where `r` are to be merged: at most half of the unprotected ones go."""
    return tokens - max(0, min(r, (tokens - protected) // 2))


def match(
    metric: Tensor, r: int, *, protected: int, run: int | None = None, size: Tensor | None = None
) -> Tensor:
    """Merge the `r` tokens at even places that are most like one at an odd place into it.

    Each even token looks at its best odd one by cosine; of equal cosines the lower place counts as the better, for the
    sort is stable. Afterwards come the protected tokens, the even tokens that are left, and the odd ones, each in their
    order.

    Args:
        metric: what tokens are compared by [b, n, k].
        r: tokens to merge; see `merged_count`.
        protected: leading tokens that neither merge nor are merged into, 0 or more.
        run: runs of so many unprotected tokens take the part of single ones: those of the first, third ... run merge
            into those of the second, fourth ...
        size: sizes [b, n], where tokens of size 0 stand for nothing: what they hold has no influence, and they are
            merged, or taken the place of, before any others.

    Returns:
        The slot of each token, int64 [b, n].
    """
    halves = _halves(protected) if run is None else _run_halves(metric, protected, run)
    even, odd = halves
    unit = F.normalize(metric.float(), dim=-1)
    likeness = cosines(unit[:, even], unit[:, odd])
    if size is not None:
        likeness = _prefer_empty(likeness, size[:, even] == 0, size[:, odd] == 0)
    return _slots(likeness, r, protected=protected, tokens=metric.shape[1], halves=halves)


def match_by_loss(
    x: Tensor, r: int, *, size: Tensor, importance: Tensor, protected: int
) -> tuple[Tensor, Tensor]:
    """As `match`, but the pairs that lose least go first: like, small and unimportant tokens.

    What a pair loses is its distance, 1 - cosine, times s t / (s + t) for tokens that stand for s and t patches, times
    the importance of the one that goes to the power of 0.7. The factor of the sizes is Ward's: what the sum of squared
    distances to the group's mean grows by. Measured in docs/log.md against the published rule.

    Args:
        x: tokens [b, n, d].
        r: tokens to merge; see `merged_count`.
        size: how many patches each token stands for [b, n].
        importance: of each token, such as the attention it gets; at least 0, [b, n].
        protected: leading tokens that neither merge nor are merged into, 0 or more.

    Returns:
        The slot of each token, int64 [b, n], and what is lost in all [b].
    """
    even, odd = _halves(protected)
    unit = F.normalize(x.float(), dim=-1)
    s, t = size[:, even, None], size[:, None, odd]
    distance = 1 - cosines(unit[:, even], unit[:, odd]) + LEAST_DISTANCE
    loss = distance * (s * t / (s + t)) * importance[:, even, None] ** IMPORTANCE_POWER
    merged = x.shape[1] - merged_count(x.shape[1], r, protected=protected)
    lost = loss.amin(dim=2).sort(dim=1).values[:, :merged].sum(dim=1)
    slots = _slots(-loss, r, protected=protected, tokens=x.shape[1], halves=(even, odd))
    return slots, lost


def _prefer_empty(likeness: Tensor, even: Tensor, odd: Tensor) -> Tensor:
    """Likeness [b, e, o] where empty tokens, marked in [b, e] and [b, o], cost nothing to merge.

    An empty even token merges first, wherever. The first full one may take the place of the first empty odd one, which
    loses nothing either, the second that of the second, and so on. Full ones beyond the empty ones would meet others
    there: they merge by likeness, and so only where no odd token is full.
    """
    empties = odd.sum(dim=1, keepdim=True).clamp_min(1)
    rank = (~even).cumsum(dim=1).sub(1)
    is_own = (rank % empties)[:, :, None] == odd.cumsum(dim=1).sub(1)[:, None]
    is_first = (rank < empties)[:, :, None]
    claim = torch.where(is_first, likeness.new_full((), MOVE), likeness.new_full((), MEET))
    likeness = torch.where(odd[:, None], torch.where(is_own, claim, -MOVE), likeness)
    return likeness.masked_fill(even[:, :, None], torch.inf)


def _run_halves(metric: Tensor, protected: int, run: int) -> tuple[Tensor, Tensor]:
    """The unprotected tokens in runs of even and of odd number."""
    places = torch.arange(protected, metric.shape[1], device=metric.device)
    is_odd = (places - protected) // run % 2 == 1
    return places[~is_odd], places[is_odd]


def _halves(protected: int) -> tuple[slice, slice]:
    """The unprotected tokens at even and at odd places."""
    return slice(protected + protected % 2, None, 2), slice(protected + 1 - protected % 2, None, 2)


def _slots(
    likeness: Tensor,
    r: int,
    *,
    protected: int,
    tokens: int,
    halves: tuple[slice, slice] | tuple[Tensor, Tensor],
) -> Tensor:
    """Slots of all tokens [b, n] from the likeness of even to odd ones [b, e, o], which stand where `halves` says."""
    b, e, o = likeness.shape
    r = tokens - merged_count(tokens, r, protected=protected)
    if r == 0:
        return torch.arange(tokens, device=likeness.device).expand(b, -1)
    even, odd = halves
    best, target = likeness.max(dim=2)
    going = best.sort(dim=1, descending=True, stable=True).indices[:, :r]
    stays = torch.ones_like(target, dtype=torch.bool).scatter_(1, going, False)

    slots = torch.empty(b, tokens, dtype=torch.int64, device=likeness.device)
    slots[:, :protected] = torch.arange(protected, device=likeness.device)
    odd_start = protected + e - r
    slots[:, odd] = torch.arange(odd_start, odd_start + o, device=likeness.device)
    slots[:, even] = torch.where(stays, protected - 1 + stays.cumsum(dim=1), odd_start + target)
    return slots


def merge(x: Tensor, slots: Tensor, size: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """Tokens that share a slot become their mean, weighted by size.

    Args:
        x: tokens [b, n, d].
        slots: int64 [b, n], each of 0..count - 1 taken.
        size: how many original tokens each stands for, float32 [b, n]; 0 for nothing.
        count: slots, m.

    Returns:
        Tokens [b, m, d] in the type of `x`, and their sizes [b, m].
    """
    b, n, d = x.shape
    total = size.new_zeros(b, count).scatter_add_(1, slots, size)
    tiny = torch.finfo(size.dtype).tiny  # tokens of size 0 become zeros
    share = size / total.clamp_min(tiny).gather(1, slots)  # exactly 1 for a token alone
    places = torch.arange(b * count, device=x.device)
    rows = (slots + places[::count, None]).flatten()
    order = rows.argsort(stable=True)
    # a weighted sum of rows in one pass, in float32 within, not products that are scattered; see docs/log.md
    merged = F.embedding_bag(
        order,
        x.reshape(b * n, d),
        torch.searchsorted(rows, places, sorter=order),
        mode="sum",
        per_sample_weights=share.flatten()[order].to(x.dtype),
    )
    return merged.view(b, count, d), total


def undo(x: Tensor, slots: Tensor) -> Tensor:
    """Each original token gets what its slot holds: [b, m, d] and slots [b, n] -> [b, n, d]."""
    return x.gather(1, slots[..., None].expand(-1, -1, x.shape[2]))
