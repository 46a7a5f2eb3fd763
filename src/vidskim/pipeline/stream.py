"""Blocks of prepared frames in, segments out: groups are never torn, whatever the blocks' lengths."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.methods.layout import Segment
from vidskim.models.variants import VitConfig


@dataclass(frozen=True)
class Prepared:
    """Frames ready for a model.

    Args:
        pixels: normalised, float32 [t, 3, y, x].
        times_s: seconds, float64 [t], not decreasing.
        motion: motion per patch, float32 [t, gy, gx], or None.

    Raises:
        SettingsError: shapes do not agree.
    """

    pixels: Tensor
    times_s: npt.NDArray[np.float64]
    motion: Tensor | None

    def __post_init__(self) -> None:
        t = len(self.pixels)
        if self.pixels.ndim != 4 or self.pixels.shape[1] != 3:
            raise SettingsError(f"expected pixels [t, 3, y, x], received {list(self.pixels.shape)}")
        if self.times_s.shape != (t,):
            raise SettingsError(f"expected times_s [{t}], received {list(self.times_s.shape)}")
        if not (np.isfinite(self.times_s).all() and (np.diff(self.times_s) >= 0).all()):
            raise SettingsError(f"times_s must be finite and never fall, received {self.times_s}")
        if self.motion is not None and len(self.motion) != t:
            raise SettingsError(f"expected motion of {t} frames, received {list(self.motion.shape)}")

    def __len__(self) -> int:
        return len(self.pixels)

    def slice(self, start: int, stop: int) -> "Prepared":
        """Frames start..stop, half-open."""
        motion = None if self.motion is None else self.motion[start:stop]
        return Prepared(self.pixels[start:stop], self.times_s[start:stop], motion)

    @classmethod
    def join(cls, first: "Prepared", second: "Prepared") -> "Prepared":
        """Two runs of frames as one; motion survives if both have it."""
        if not len(first):
            return second
        if not len(second):
            return first
        motion = None
        if first.motion is not None and second.motion is not None:
            motion = torch.cat([first.motion, second.motion])
        times = np.concatenate([first.times_s, second.times_s])
        return cls(torch.cat([first.pixels, second.pixels]), times, motion)


@dataclass(frozen=True)
class Block:
    """Some consecutive frames of one video; the last block of a video says so and may be empty.

    Args:
        video: any key; blocks of one video follow each other.
        prepared: the frames.
        last: nothing of this video follows.
    """

    video: Hashable
    prepared: Prepared
    last: bool


class Cutter:
    """Cuts one video's blocks into segments of whole groups, the same wherever the blocks end.

    Args:
        length: frames of a segment, whole groups; a closing frame of look-ahead apart.
        lookahead: a segment ends with the next one's first I-frame.
    """

    def __init__(self, length: int, *, lookahead: bool) -> None:
        self.step = length
        self.lookahead = lookahead
        self.pending: Prepared | None = None
        self.first = 0

    def push(self, block: Block) -> Iterator[Segment]:
        """Take a block, give the segments it completes. `carried` is left for the encoder to fill in."""
        pending = block.prepared if self.pending is None else Prepared.join(self.pending, block.prepared)
        whole = self.step + self.lookahead
        while len(pending) >= whole:
            yield self._segment(pending.slice(0, whole), continues=self.lookahead)
            pending = pending.slice(self.step, len(pending))
            self.first += self.step
        # what a segment with lookahead leaves is its closing I-frame; alone it is nothing new
        leftover = len(pending) - (self.lookahead and self.first > 0)
        if block.last and leftover > 0:
            yield self._segment(pending, continues=False)
        self.pending = None if block.last else pending

    def _segment(self, frames: Prepared, *, continues: bool) -> Segment:
        return Segment(frames.pixels, frames.times_s, frames.motion, self.first, continues=continues)


def motion_per_patch(motion: Tensor | npt.NDArray[np.floating], config: VitConfig) -> Tensor:
    """Motion per pixel [t, y, x] or per patch [t, gy, gx] -> per patch, summed over pixels.

    Raises:
        SettingsError: it is neither.
    """
    motion = torch.as_tensor(motion).cpu().float()
    if motion.ndim == 3 and motion.shape[1:] == (config.grid, config.grid):
        return motion
    if motion.ndim == 3 and motion.shape[1:] == (config.image, config.image):
        return motion.view(-1, config.grid, config.patch, config.grid, config.patch).sum(dim=(2, 4))
    raise SettingsError(
        f"expected motion [t, {config.image}, {config.image}] per pixel or [t, {config.grid}, {config.grid}] per "
        f"patch, received {list(motion.shape)}"
    )
