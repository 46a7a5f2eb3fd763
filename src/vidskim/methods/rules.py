"""Which tokens of each group of time go: STA's rule, its two halves, and what knows nothing of the tokens.

Every rule drops the same number of each group, so whatever rule a method has, the rest costs the same. Below the rules
are their names and settings as parts of methods, the same for every trunk.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from vidskim.errors import SettingsError, unknown_name
from vidskim.tokens.propagate import keep_lowest, propagate, propagation_macs, saliency

DIRECTIONS, ANCHORS = ("alternate", "forward"), ("all", "kept")
SEEDS = 2**56  # so many there are


class Rule(Protocol):
    """How tokens are chosen. It holds no state between calls."""

    def keep(
        self, x: Tensor, keys: Tensor, *, groups: int, r: int, number: int
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Drop `r` tokens of each group.

        Args:
            x: tokens [b, n, d], ordered by time, n a multiple of `groups`.
            keys: what they are compared by [b, n, k].
            groups: of consecutive tokens.
            r: below n / groups.
            number: how many times tokens were dropped before.

        Returns:
            Places kept, int64 [b, n - groups * r], group after group; and what tokens were dropped by in each group.
        """

    def macs(self, size: int, *, groups: int, r: int, channels: int) -> int:
        """Multiply-accumulates of `keep` on one clip, in groups of `size` tokens with so many channels of keys."""


@dataclass(frozen=True)
class Accumulation:
    """STA's: what was seen before goes, what is salient stays; see `tokens.propagate`.

    Args:
        direction: "alternate": backward every second time, or "forward".
        anchor: what the second group is compared with, "all" tokens of the first or those "kept".
        salient: whether saliency counts; without it redundancy alone decides.
    """

    direction: Literal["alternate", "forward"] = "alternate"
    anchor: Literal["all", "kept"] = "all"
    salient: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("direction", DIRECTIONS), ("anchor", ANCHORS)):
            if (value := getattr(self, name)) not in allowed:
                raise unknown_name(name, value, allowed)

    def keep(
        self, x: Tensor, keys: Tensor, *, groups: int, r: int, number: int
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As `Rule.keep`; tokens of all groups but the first come by rising score."""
        salience = saliency(x, groups=groups)
        return propagate(
            keys,
            salience if self.salient else torch.zeros_like(salience),
            groups=groups,
            r=r,
            backward=self.direction == "alternate" and number % 2 == 1,
            from_kept=self.anchor == "kept",
        )

    def macs(self, size: int, *, groups: int, r: int, channels: int) -> int:
        """As `Rule.macs`."""
        return propagation_macs(size, groups=groups, r=r, channels=channels, from_kept=self.anchor == "kept")


class _Scored(ABC):
    """Tokens of the highest score go, the others keep their order; costs no products."""

    @abstractmethod
    def score(self, x: Tensor, *, groups: int, r: int, number: int) -> Tensor:
        """What tokens are dropped by [b, n]."""

    def keep(
        self, x: Tensor, keys: Tensor, *, groups: int, r: int, number: int
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As `Rule.keep`."""
        scores = self.score(x, groups=groups, r=r, number=number)
        return keep_lowest(scores, groups=groups, r=r), scores.chunk(groups, dim=1)

    def macs(self, size: int, *, groups: int, r: int, channels: int) -> int:
        """None."""
        return 0


@dataclass(frozen=True)
class Salience(_Scored):
    """Saliency alone: the tokens of the smallest norm go."""

    def score(self, x: Tensor, *, groups: int, r: int, number: int) -> Tensor:
        """1 - saliency."""
        return 1 - saliency(x, groups=groups)


@dataclass(frozen=True)
class Chance(_Scored):
    """Tokens by chance, in each group others, in every clip the same.

    Args:
        seed: 0 or more, below 2**56; another one, other tokens.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.seed) is not int or not 0 <= self.seed < SEEDS:
            raise SettingsError(f"seed is a whole number from 0 to {SEEDS - 1}; received {self.seed!r}")

    def score(self, x: Tensor, *, groups: int, r: int, number: int) -> Tensor:
        """Uniform noise."""
        generator = torch.Generator().manual_seed(self.seed << 8 | number)
        return torch.rand(x.shape[1], generator=generator).to(x.device).expand(len(x), -1)


@dataclass(frozen=True)
class Evenly(_Scored):
    """Those kept lie evenly spaced in each group."""

    def score(self, x: Tensor, *, groups: int, r: int, number: int) -> Tensor:
        """0 for those kept, 1 for the others."""
        size = x.shape[1] // groups
        count = size - r
        scores = torch.ones(groups, size, device=x.device)
        scores[:, (2 * torch.arange(count) + 1) * size // (2 * count)] = 0
        return scores.view(1, -1).expand(len(x), -1)


@dataclass(frozen=True)
class BySalience:
    """Drops by STA's saliency alone: in every group the tokens of the smallest norm go."""

    name: ClassVar[str] = "saliency"

    @property
    def rule(self) -> Rule:
        """Saliency."""
        return Salience()


@dataclass(frozen=True)
class ByChance:
    """Drops by chance.

    Args:
        seed: 0 or more; the same tokens go in every clip, others with another seed.
    """

    seed: int = 0
    name: ClassVar[str] = "random"

    @property
    def rule(self) -> Rule:
        """Chance."""
        return Chance(self.seed)


@dataclass(frozen=True)
class BySpacing:
    """Keeps tokens that lie evenly spaced in their group."""

    name: ClassVar[str] = "uniform"

    @property
    def rule(self) -> Rule:
        """Even spaces."""
        return Evenly()
