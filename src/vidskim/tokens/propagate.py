"""Which tokens of a clip say what was seen before: redundancy passed from one time to the next.

Nothing here has parameters or state. Source: Ding et al., STA, ICCV 2023, algorithm 1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.tokens.cosine import cosines


def rows_at(x: Tensor, places: Tensor) -> Tensor:
    """Tokens at these places: [b, n, d] and [b, m] -> [b, m, d]."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))


def thin(units: Tensor, r: int) -> tuple[Tensor, Tensor]:
    """Drop the `r` tokens at even places that are most like one at an odd place; beyond those, odd ones from the end.

    Args:
        units: what tokens are compared by, L2-normalised [b, n, k], n at least 2.
        r: tokens to drop, below n.

    Returns:
        Places kept, odd ones first, then even ones from the least alike, int64 [b, n - r]; and the best cosine of each
        even token [b, (n + 1) // 2].
    """
    b, n, _ = units.shape
    likeness = cosines(units[:, ::2], units[:, 1::2]).amax(dim=2)
    even = 2 * likeness.argsort(dim=1, stable=True)
    odd = torch.arange(1, n, 2, device=units.device).expand(b, -1)
    return torch.cat([odd, even], dim=1)[:, : n - r], likeness


def saliency(x: Tensor, *, groups: int) -> Tensor:
    """Each token's L1 norm scaled to 0..1 in its group, 0 where all are equal: [b, n, d] -> [b, n], float32 or wider.

    Args:
        x: tokens, n a multiple of `groups`.
        groups: of consecutive tokens.
    """
    norms = x.abs().sum(dim=2, dtype=torch.promote_types(x.dtype, torch.float32)).view(len(x), groups, -1)
    low, high = norms.aminmax(dim=-1, keepdim=True)
    return ((norms - low) / (high - low).clamp_min(torch.finfo(norms.dtype).tiny)).flatten(1)


def keep_lowest(scores: Tensor, *, groups: int, r: int) -> Tensor:
    """Places of the tokens left where each group loses the `r` of highest score, in their order.

    Args:
        scores: of each token [b, n], n a multiple of `groups`; of equal ones the later is dropped.
        groups: of consecutive tokens.
        r: tokens to drop in each group, below n / groups.

    Returns:
        int64 [b, n - groups * r].
    """
    b, n = scores.shape
    size = n // groups
    kept = scores.view(b, groups, size).argsort(dim=2, stable=True)[:, :, : size - r].sort(dim=2).values
    return (kept + size * torch.arange(groups, device=scores.device)[:, None]).flatten(1)


def propagate(
    keys: Tensor, salience: Tensor, *, groups: int, r: int, backward: bool = False, from_kept: bool = False
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Drop `r` tokens in each of `groups` equal groups that follow each other in time.

    The first group is thinned by itself. Each token of a group then hands its score on to the tokens of the next
    group, in shares that are the softmax of their cosines; what gathers much is redundant. That score times
    (1 - salience) is what a token is dropped by.

    Args:
        keys: what tokens are compared by [b, n, k], ordered by time, n a multiple of `groups`.
        salience: what keeps a token in spite of that, 0..1, such as `saliency`'s [b, n].
        groups: times.
        r: tokens to drop in each group, below n / groups.
        backward: go from the last group to the first.
        from_kept: the second group hears only the first one's kept tokens, as the paper has it; else all of them, as
            the authors' code does.

    Returns:
        Places kept, int64 [b, n - groups * r]: group after group in order of time, in the first by `thin`, in the
        others by rising score. And the scores of each group, in order of time: the first one's best cosines, [b, n /
        groups] for the others. Computed in float32 or wider.
    """
    b, n, _ = keys.shape
    size = n // groups
    wide = torch.promote_types(keys.dtype, torch.float32)
    units = F.normalize(keys.to(wide), dim=-1).view(b, groups, size, -1)
    rest = 1 - salience.view(b, groups, size)
    order = range(groups)[::-1] if backward else range(groups)

    kept, scores = {}, {}
    first = order[0]
    kept[first], scores[first] = thin(units[:, first], r)
    before = rows_at(units[:, first], kept[first]) if from_kept else units[:, first]
    handed = before.new_ones(before.shape[:2])
    for group in order[1:]:
        shares = (units[:, group] @ before.mT).softmax(dim=1)  # b now before
        gathered = (shares @ handed[..., None]).squeeze(2)
        scores[group] = gathered * rest[:, group]
        kept[group] = scores[group].argsort(dim=1, stable=True)[:, : size - r]
        before = rows_at(units[:, group], kept[group])
        handed = gathered.gather(1, kept[group])
        handed = handed / handed.sum(dim=1, keepdim=True)
    places = [kept[group] + group * size for group in range(groups)]
    return torch.cat(places, dim=1), tuple(scores[group] for group in range(groups))


def propagation_macs(size: int, *, groups: int, r: int, channels: int, from_kept: bool = False) -> int:
    """Multiply-accumulates of `propagate` on groups of `size` tokens compared by `channels` numbers."""
    left = size - r
    first = (size + 1) // 2 * (size // 2) * channels
    second = size * (left if from_kept else size) * (channels + 1)
    return first + (second if groups > 1 else 0) + max(0, groups - 2) * size * left * (channels + 1)
