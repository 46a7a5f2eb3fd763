"""STA on Video Swin, and what it has to beat there: as many cells dropped in the same stages, chosen otherwise.

The paper gives results and no placement; its costs fit one schedule only, which `SwinStaged` keeps.

Source: Ding et al., Prune Spatio-temporal Tokens by Semantic-aware Temporal Accumulation, ICCV 2023, table 3.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidskim.methods.rules import Accumulation, ByChance, BySalience, BySpacing
from vidskim.methods.swin_staged import SwinStaged


@dataclass(frozen=True)
class SwinSta(SwinStaged):
    """Drops what repeats earlier tokens and is not salient.

    Args:
        r1: as in `SwinStaged`.
        windows: as in `SwinStaged`.
        anchor: what the second group is compared with, "all" cells of the first (as STA's code does on ViT) or those
            "kept".
    """

    anchor: Literal["all", "kept"] = "all"
    name = "sta"
    salient: ClassVar[bool] = True

    @property
    def rule(self) -> Accumulation:
        """STA's."""
        return Accumulation(anchor=self.anchor, salient=self.salient)


@dataclass(frozen=True)
class SwinRedundancy(SwinSta):
    """STA without saliency: what repeats earlier tokens goes. Settings are STA's."""

    name = "redundancy"
    salient = False


@dataclass(frozen=True)
class SwinSaliency(BySalience, SwinStaged):
    """STA's saliency alone."""


@dataclass(frozen=True)
class SwinRandom(ByChance, SwinStaged):
    """Drops cells by chance. Settings are those of `SwinStaged` and `ByChance`."""


@dataclass(frozen=True)
class SwinUniform(BySpacing, SwinStaged):
    """Keeps cells that lie evenly spaced in their group."""
