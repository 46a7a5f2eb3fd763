"""What a tokenizer is trained for: ranges of group length and kept share, and one choice of them for each batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.tokens.select import kept_count, top, trained_count
from vidskim.video.motion import pixel_difference

SETTINGS = 14  # a salt for its stream of random numbers, as `scenes` has them


@dataclass(frozen=True)
class Ranges:
    """What varies from batch to batch. A range of one value does not.

    Args:
        interleave: fewest and most P-frames in a group, N.
        keep: smallest and largest share of patches kept in a P-frame.

    Raises:
        SettingsError: a range is empty or leaves what is allowed.
    """

    interleave: tuple[int, int] = (1, 5)
    keep: tuple[float, float] = (0.1, 0.3)

    def __post_init__(self) -> None:
        low, high = self.interleave
        if not 1 <= low <= high:
            raise SettingsError(
                f"interleave must be 1 or more, or a range such as 1-5; received {low} to {high}"
            )
        least, most = self.keep
        if not 0 < least <= most <= 1:
            raise SettingsError(
                "keep must be a share of patches above 0 and at most 1, or a range such as 0.1-0.3; "
                f"received {least:g} to {most:g}"
            )

    def draw(self, *, seed: int, number: int) -> "BatchSetting":
        """The setting of batch `number`: uniform in both ranges, patches by chance in half of the batches."""
        generator = np.random.default_rng([SETTINGS, seed, number])
        low, high = self.interleave
        return BatchSetting(
            interleave=int(generator.integers(low, high + 1)),
            keep=float(generator.uniform(*self.keep)),
            by_chance=bool(generator.random() < 0.5),
        )

    def to_dict(self) -> dict[str, list[float]]:
        """Plain JSON values."""
        return {"interleave": list(self.interleave), "keep": list(self.keep)}


@dataclass(frozen=True, kw_only=True)
class BatchSetting:
    """What one batch is trained for.

    Args:
        interleave: P-frames in each group.
        keep: share of patches kept.
        by_chance: patches are drawn, as published; otherwise those that change most are kept, as inference does.
    """

    interleave: int
    keep: float
    by_chance: bool

    def choose(self, frames: Tensor, *, grid: int, generator: np.random.Generator) -> Tensor:
        """Kept patches of the P-frames.

        Args:
            frames: groups, uint8 [b, 1 + n, y, x, 3].
            grid: patches along one side.
            generator: for patches drawn by chance.

        Returns:
            int64 [b, n, k].
        """
        b, n = frames.shape[0], frames.shape[1] - 1
        if self.by_chance:
            scores = torch.from_numpy(generator.random((b * n, grid * grid)))
            return top(scores, trained_count(grid * grid, self.keep)).view(b, n, -1)
        scores = torch.stack([_change(group, grid) for group in frames])  # b n patches
        return top(scores.flatten(0, 1), kept_count(grid * grid, self.keep)).view(b, n, -1)


def _change(group: Tensor, grid: int) -> Tensor:
    """Change of each P-frame's patches against its I-frame: uint8 [1 + n, y, x, 3] -> [n, patches]."""
    pixels = group.permute(0, 3, 1, 2).float() / 255
    return pixel_difference(pixels[1:], pixels[:1], std=torch.ones(3), grid=grid)
