"""STA: after three blocks, tokens that repeat what was seen before are dropped, without training.

Source: Ding et al., Prune Spatio-temporal Tokens by Semantic-aware Temporal Accumulation, ICCV 2023. Where the paper's
algorithm and the authors' code differ, the code is the default, for its figures were made with it.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidskim.methods.rules import Accumulation
from vidskim.methods.staged import Ruled


@dataclass(frozen=True)
class Sta(Ruled):
    """Drops what repeats earlier tokens and is not salient.

    Args:
        r: tokens dropped in each group, one number or one for each of the three stages; 0 drops nothing.
        groups: as in `Staged`; "halved" is the code's way.
        direction: "alternate": forward, backward, forward (the code's way), or "forward" (the paper's).
        anchor: what the second group is compared with, "all" tokens of the first (the code's way) or those "kept" (the
            paper's).
    """

    direction: Literal["alternate", "forward"] = "alternate"
    anchor: Literal["all", "kept"] = "all"
    name = "sta"
    salient: ClassVar[bool] = True

    @property
    def rule(self) -> Accumulation:
        """STA's."""
        return Accumulation(direction=self.direction, anchor=self.anchor, salient=self.salient)
