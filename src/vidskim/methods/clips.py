"""What every method of a video classifier shares: clips in, class scores out, and what was dropped on the way."""

from dataclasses import dataclass

from torch import Tensor

from vidskim.models.cost import video_macs
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer

Grid = tuple[int, int, int]  # tokens along time, height and width


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
class ClipMethod:
    """Base of the clip methods, and the full classifier. A method is its settings: it holds no state between calls."""

    name = "full"

    def run(self, trunk: VideoTransformer, pixels: Tensor) -> tuple[Tensor, tuple[Pruned, ...]]:
        """Class scores of clips.

        Args:
            trunk: the classifier, on the device of the pixels.
            pixels: normalised clips [b, 3, t, y, x].

        Returns:
            Logits [b, classes], and what was dropped, place by place.

        Raises:
            SettingsError: clips the model cannot read, or the settings do not suit them.
        """
        return trunk(trunk.embed(pixels)), ()

    def macs(self, config: VideoVitConfig, grid: Grid) -> int:
        """Multiply-accumulates of one clip of these tokens."""
        t, y, x = grid
        return video_macs(config, patches=t * y * x, tokens=[t * y * x] * config.layers)
