"""Which tokens of each group of time go: STA's rule, its two halves, and what knows nothing of the tokens.

Every rule drops the same number of each group, so whatever rule a method has, the rest costs the same.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.tokens.propagate import keep_lowest, propagate, propagation_macs, saliency


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
        alternate: go backward every second time.
        from_kept: the second group hears only the first one's kept tokens.
        salient: whether saliency counts; without it redundancy alone decides.
    """

    alternate: bool = True
    from_kept: bool = False
    salient: bool = True

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
            backward=self.alternate and number % 2 == 1,
            from_kept=self.from_kept,
        )

    def macs(self, size: int, *, groups: int, r: int, channels: int) -> int:
        """As `Rule.macs`."""
        return propagation_macs(size, groups=groups, r=r, channels=channels, from_kept=self.from_kept)


class _Scored:
    """Tokens of the highest score go, the others keep their order; costs no products."""

    def score(self, x: Tensor, *, groups: int, r: int, number: int) -> Tensor:
        """What tokens are dropped by [b, n]."""
        raise NotImplementedError

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
        seed: 0 or more; another one, other tokens.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.seed) is not int or self.seed < 0:
            raise SettingsError(f"seed is a whole number, 0 or more; received {self.seed!r}")

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
