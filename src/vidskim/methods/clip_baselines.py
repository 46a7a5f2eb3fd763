"""What STA has to beat on a video ViT: as many tokens taken away at the same places, chosen otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from vidskim.methods.clips import MergedTokens
from vidskim.methods.merge import SizedTokens
from vidskim.methods.rules import ByChance, BySalience, BySpacing
from vidskim.methods.sta import Sta
from vidskim.methods.staged import Ruled, Stage, Staged, Staging
from vidskim.models.cost import matching_macs
from vidskim.models.variants import VideoVitConfig
from vidskim.tokens.match import undo


@dataclass(frozen=True)
class Random(ByChance, Ruled):
    """Drops tokens by chance. Settings are those of `Staged` and `ByChance`."""


@dataclass(frozen=True)
class Uniform(BySpacing, Ruled):
    """Keeps tokens that lie evenly spaced in their group."""


@dataclass(frozen=True)
class Saliency(BySalience, Ruled):
    """STA's saliency alone."""


@dataclass(frozen=True)
class Redundancy(Sta):
    """STA without saliency: what repeats earlier tokens goes. Settings are STA's."""

    name = "redundancy"
    salient = False


class StagedMerging(SizedTokens, Staging):
    """Merges tokens by their keys, wherever in the clip they lie.

    Args:
        stages: where, in order.
        last: number of the last block.
    """

    def __init__(self, stages: Sequence[Stage], *, last: int) -> None:
        super().__init__(protected=0)
        self.stages = {stage.layer: stage for stage in stages}
        self.last = last
        self.trail: list[MergedTokens] = []

    def begin(self, x: Tensor) -> Tensor:
        """Nothing is merged yet."""
        self.trail = []
        return super().begin(x)

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Merge: [b, n, d] -> [b, m, d]. After the last block each token stands again where it was, for the mean."""
        if layer in self.stages:
            stage = self.stages[layer]
            x = self.merge(x, keys, stage.groups * stage.r)
            self.trail.append(MergedTokens(layer, self.after[-1]))
        return undo(x, self.after[-1]) if layer == self.last and self.after else x


@dataclass(frozen=True)
class Tome(Staged):
    """Token merging at STA's places: as many tokens become part of those most like them, and attention counts them.

    Source: Bolya et al., Token Merging, ICLR 2023; there tokens are merged in every block.
    """

    name = "tome"

    def most(self, size: int) -> int:
        """As `Staged.most`: every second token is one that others are merged into."""
        return size // 2

    def reduction(self, config: VideoVitConfig, stages: Sequence[Stage]) -> StagedMerging:
        """As `Staged.reduction`."""
        return StagedMerging(stages, last=config.layers - 1)

    def choosing_macs(self, stage: Stage, size: int, *, channels: int) -> int:
        """As `Staged.choosing_macs`: all tokens of the clip are compared."""
        return matching_macs(stage.groups * size, protected=0, channels=channels)
