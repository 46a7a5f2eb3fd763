"""Which patches are kept. Patch numbers are row-major in the grid; nothing here has parameters or state."""

import math

import torch
from torch import Tensor

from vidskim.errors import SettingsError

LEVELS = 16


def kept_count(patches: int, keep: float) -> int:
    """Patches kept at a fixed share: round-half-even(patches * keep), at least 1.

    Source: ResidualViT's inference rule; see `trained_count` for its training.

    Raises:
        SettingsError: `keep` is outside (0, 1].
    """
    _check_keep(keep)
    return max(1, round(patches * keep))


def trained_count(patches: int, keep: float) -> int:
    """Patches kept in training: floor(patches * keep), at least 1.

    Source: ResidualViT's training rule, where they are drawn by chance, each image for itself.

    Raises:
        SettingsError: `keep` is outside (0, 1].
    """
    _check_keep(keep)
    return max(1, math.floor(patches * keep))


def _check_keep(keep: float) -> None:
    if not 0 < keep <= 1:
        raise SettingsError(
            f"keep is the share of patches recomputed, above 0 and at most 1; received {keep}"
        )


def counts_above(scores: Tensor, threshold: float) -> Tensor:
    """How many patches of each frame change by more than a threshold, rounded up to one of 17 levels.

    Frames of one level share a batch, so the padding is made of real patches: the next most changed ones.

    Args:
        scores: change of each patch [b, n].
        threshold: in the scores' unit.

    Returns:
        int64 [b]; multiples of ceil(n / 16), at most n.
    """
    patches = scores.shape[1]
    step = math.ceil(patches / LEVELS)
    above = (scores > threshold).sum(dim=1)
    return ((above + step - 1) // step * step).clamp(max=patches)


def top(scores: Tensor, count: int) -> Tensor:
    """The `count` patches of highest score of each frame, in descending order: [b, n] -> int64 [b, count]."""
    return scores.topk(count, dim=1).indices


def random_scores(frames: int, patches: int, generator: torch.Generator | None) -> Tensor:
    """Gaussian noise [frames, patches], drawn on the CPU; None is torch's global generator."""
    return torch.randn(frames, patches, generator=generator)


def uniform(patches: int, count: int) -> Tensor:
    """Evenly spaced patch numbers, linspace(0, patches - 1, count) truncated: int64 [count].

    Source: ResidualViT's "uniform"; at 7 of 49 it is the main diagonal of the grid.
    """
    return torch.linspace(0, patches - 1, count).long()


def center(grid: int, count: int) -> Tensor:
    """The `count` patches nearest the grid's centre (squared distance, ties by number): int64 [count].

    Source: ResidualViT's "center" as meant; `center_released` has it as released.
    """
    axis = torch.arange(grid) - (grid - 1) / 2
    distance = axis[:, None] ** 2 + axis[None, :] ** 2
    return distance.flatten().sort(stable=True).indices[:count]


def center_released(grid: int, count: int) -> Tensor:
    """`center` as released: a patch's row is its number / grid without rounding, so rows lean: int64 [count].

    Source: ResidualViT's "center"; one patch beside the true centre at 29 of 14x14, two at 38 of 16x16.
    """
    number = torch.arange(grid * grid)
    middle = (grid - 1) / 2
    distance = (number / grid - middle) ** 2 + (number % grid - middle) ** 2
    return distance.sort(stable=True).indices[:count]
