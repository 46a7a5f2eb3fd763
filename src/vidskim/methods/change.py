"""How much each patch changes between any two frames of a segment, and where one scene ends and another begins."""

from collections.abc import Iterable
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.video.motion import pixel_difference

SHRINKS = (4, 2)  # differences are of frames at a part of the size, if patches allow: the choice is as good
TOGETHER = 16  # pairs measured at once, so that they stay in a cache
SCENE_CHANGE = 0.12  # least mean difference of frames seen as patches, pixels in 0..1
SCENE_RATIO = 2.5  # and as a multiple of the median of its segment


class Change:
    """Differences between pairs of frames, measured when asked for and remembered.

    Args:
        pixels: normalised frames [t, 3, y, x].
        std: the normalisation's standard deviation [3].
        grid: patches along one side.
    """

    def __init__(self, pixels: Tensor, *, std: Tensor, grid: int) -> None:
        self.pixels, self.std, self.grid = pixels, std, grid
        self._known: dict[tuple[int, int], Tensor] = {}

    @cached_property
    def small(self) -> Tensor:
        """The frames as they are compared [t, 3, y, x]."""
        side = self.pixels.shape[-1]
        shrink = next((factor for factor in SHRINKS if side % (factor * self.grid) == 0), 1)
        return F.avg_pool2d(self.pixels, shrink) if shrink > 1 else self.pixels

    def between(self, frames: Iterable[int], others: Iterable[int]) -> Tensor:
        """Mean absolute difference of each patch for pairs of frames, pixels in 0..1: float32 [p, grid * grid]."""
        pairs = [(min(pair), max(pair)) for pair in zip(frames, others, strict=True)]
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        changes = []
        for start in range(0, len(missing), TOGETHER):
            first, second = zip(*missing[start : start + TOGETHER], strict=True)
            few = self.small[list(first)], self.small[list(second)]
            changes.append(pixel_difference(*few, std=self.std, grid=self.grid))
        if changes:
            self._known |= dict(zip(missing, torch.cat(changes).cpu(), strict=True))
        if not pairs:
            return torch.empty(0, self.grid**2)
        return torch.stack([self._known[pair] for pair in pairs])

    def scene_starts(self) -> list[int]:
        """Frames that begin another scene: they differ from the one before by far more than is usual here."""
        t = len(self.small)
        if t < 3:
            return []
        seen = F.avg_pool2d(self.small, self.small.shape[-1] // self.grid)
        weight = self.std.to(seen)[:, None, None]
        steps = ((seen[1:] - seen[:-1]).abs() * weight).mean(dim=(1, 2, 3)).cpu()
        limit = max(SCENE_CHANGE, SCENE_RATIO * float(steps.median()))
        return [frame + 1 for frame, step in enumerate(steps.tolist()) if step > limit]
