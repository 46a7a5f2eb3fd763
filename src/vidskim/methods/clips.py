"""What every method of a video classifier shares: clips in, class scores out, and what was dropped on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from torch import Tensor

from vidskim.models.cost import video_macs
from vidskim.models.swin import VideoSwin
from vidskim.models.swin_cost import swin_macs
from vidskim.models.swin_variants import SwinConfig
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer

Size = tuple[int, int, int]  # along time, height and width


@dataclass(frozen=True)
class Pruned:
    """What was dropped after one block.

    Args:
        layer: the block's number.
        groups: groups of tokens, by time, in which tokens were dropped.
        kept: places kept in the row of tokens before, int64 [b, m]; their order is the order of the tokens after.
        original: the same tokens by their numbers in the whole clip, time first, then row by row.
        scores: what tokens were dropped by in each group, in order of time, [b, n] each.
    """

    layer: int
    groups: int
    kept: Tensor
    original: Tensor
    scores: tuple[Tensor, ...]


@dataclass(frozen=True)
class MergedTokens:
    """What was merged after one block.

    Args:
        layer: the block's number.
        slots: where each token of the clip stands among those left, int64 [b, n]; the same number is one token.
    """

    layer: int
    slots: Tensor


class ClipMethod(Protocol):
    """What a video classifier's method does, for one kind of trunk. It holds no state between calls."""

    @property
    def name(self) -> str:
        """As in `load_model`."""

    def run(self, trunk: Any, pixels: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        """Class scores of clips.

        Args:
            trunk: the classifier, on the device of the pixels.
            pixels: normalised clips [b, 3, t, y, x].

        Returns:
            Logits [b, classes], and what was dropped, place by place.

        Raises:
            SettingsError: clips the model cannot read, or the settings do not suit them.
        """

    def macs(self, config: Any, size: Size, trail: Sequence[Any] = ()) -> int:
        """Multiply-accumulates of one clip.

        Args:
            config: the trunk's.
            size: frames, rows and columns of pixels.
            trail: what `run` returned, where the cost depends on the clip.
        """


@dataclass(frozen=True)
class FullClip:
    """Every token through the whole classifier."""

    name = "full"

    def run(self, trunk: VideoTransformer, pixels: Tensor) -> tuple[Tensor, tuple[Pruned, ...]]:
        """As `ClipMethod.run`; nothing is dropped."""
        return trunk(trunk.embed(pixels)), ()

    def macs(self, config: VideoVitConfig, size: Size, trail: Sequence[Pruned] = ()) -> int:
        """As `ClipMethod.macs`."""
        patches = prod(config.grid(*size))
        return video_macs(config, patches=patches, tokens=[patches] * config.layers)


@dataclass(frozen=True)
class FullSwin:
    """Every token through the whole of a Video Swin."""

    name = "full"

    def run(self, trunk: VideoSwin, pixels: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        """As `ClipMethod.run`; nothing is dropped."""
        return trunk(pixels), ()

    def macs(self, config: SwinConfig, size: Size, trail: Sequence[Any] = ()) -> int:
        """As `ClipMethod.macs`."""
        return swin_macs(config, size)
