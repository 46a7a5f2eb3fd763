"""STA on Video Swin, and what it has to beat there: as many cells dropped in the same stages, chosen otherwise.

The paper gives results and no placement; its costs fit one schedule only, which `SwinStaged` keeps.

Source: Ding et al., Prune Spatio-temporal Tokens by Semantic-aware Temporal Accumulation, ICCV 2023, table 3.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidskim.errors import unknown_name
from vidskim.methods.rules import Accumulation, Chance, Evenly, Rule, Salience
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchor not in ("all", "kept"):
            raise unknown_name(f"anchor of method={self.name!r},", self.anchor, ("all", "kept"))

    @property
    def rule(self) -> Rule:
        """STA's."""
        return Accumulation(from_kept=self.anchor == "kept", salient=self.salient)


@dataclass(frozen=True)
class SwinRedundancy(SwinSta):
    """STA without saliency: what repeats earlier tokens goes. Settings are STA's."""

    name = "redundancy"
    salient = False


@dataclass(frozen=True)
class SwinSaliency(SwinStaged):
    """STA's saliency alone: in every group the cells of the smallest norm go."""

    name = "saliency"

    @property
    def rule(self) -> Rule:
        """Saliency."""
        return Salience()


@dataclass(frozen=True)
class SwinRandom(SwinStaged):
    """Drops cells by chance.

    Args:
        seed: 0 or more; the same cells go in every clip, others with another seed.
    """

    seed: int = 0
    name = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        Chance(self.seed)  # checks it

    @property
    def rule(self) -> Rule:
        """Chance."""
        return Chance(self.seed)


@dataclass(frozen=True)
class SwinUniform(SwinStaged):
    """Keeps cells that lie evenly spaced in their group."""

    name = "uniform"

    @property
    def rule(self) -> Rule:
        """Even spaces."""
        return Evenly()
