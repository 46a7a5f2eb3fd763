"""Methods of a video ViT that take tokens away at three places, the same number of each group of time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

from torch import Tensor

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.clips import Pruned, Size
from vidskim.methods.rules import Rule
from vidskim.models.cost import video_macs
from vidskim.models.reduction import Reduction, mean_of_heads
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.tokens.propagate import rows_at

STAGES = 3
GROUPS = ("halved", "slices")


@dataclass(frozen=True)
class Stage:
    """One place where tokens are taken away.

    Args:
        number: of the place, from 0.
        layer: after this block.
        groups: groups by time.
        r: tokens that go in each group.
    """

    number: int
    layer: int
    groups: int
    r: int


class Staging(Reduction):
    """What acts in the trunk at given stages, and remembers what it did."""

    trail: list[Any]


@dataclass(frozen=True)
class Staged(ABC):
    """`r` tokens of each group of time go after the first block, a third and two thirds of the blocks.

    Args:
        r: tokens that go in each group, one number or one for each of the three stages; 0 is none.
        groups: "halved": each stage has half as many groups as the one before, at first one a slice of the clip (STA's
            way, so clips must have a multiple of 4 slices); "slices": always as many as slices.
    """

    r: int | tuple[int, int, int] = 48
    groups: Literal["halved", "slices"] = "halved"
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.groups not in GROUPS:
            raise unknown_name(f"groups of method={self.name!r},", self.groups, GROUPS)
        each = self._each
        if len(each) != STAGES or not all(type(r) is int and r >= 0 for r in each):
            raise SettingsError(
                f"r is the number of tokens dropped in each group, 0 or more, or {STAGES} such numbers, one a stage; "
                f"received {self.r}"
            )

    @abstractmethod
    def reduction(self, config: VideoVitConfig, stages: Sequence[Stage]) -> Staging:
        """What acts in the trunk, for one call."""

    @abstractmethod
    def choosing_macs(self, stage: Stage, size: int, *, channels: int) -> int:
        """Multiply-accumulates of choosing at a stage, in groups of `size` tokens with so many channels of keys."""

    def most(self, size: int) -> int:
        """How many tokens can go of a group of so many."""
        return size - 1

    def stages(self, config: VideoVitConfig, size: Size) -> list[Stage]:
        """Where how many tokens go of clips of so many frames, rows and columns of pixels.

        Raises:
            SettingsError: the clip or the model does not suit the settings.
        """
        each = self._each
        if not any(each):
            return []
        grid = config.grid(*size)
        slices, tokens = grid[0], prod(grid)
        self._check(config, slices)
        stages = []
        for number, r in enumerate(each):
            groups = slices >> number if self.groups == "halved" else slices
            layer = config.layers * number // STAGES
            if r == 0:
                continue
            if r > self.most(tokens // groups):
                raise SettingsError(
                    f"r={self.r} drops too much: after block {layer + 1} a group has {tokens // groups} tokens, of "
                    f"which at most {self.most(tokens // groups)} can go, received {r}; this model's clips allow "
                    f"r={self._largest(grid)} or less"
                )
            stages.append(Stage(number, layer, groups, r))
            tokens -= groups * r
        return stages

    def _largest(self, grid: tuple[int, int, int]) -> int:
        """The largest r that can go in every group of all stages."""

        def fits(r: int) -> bool:
            tokens = prod(grid)
            for number in range(STAGES):
                groups = grid[0] >> number if self.groups == "halved" else grid[0]
                if r > self.most(tokens // groups):
                    return False
                tokens -= groups * r
            return True

        return max(r for r in range(prod(grid[1:])) if fits(r))

    def run(self, trunk: VideoTransformer, pixels: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        """As `ClipMethod.run`."""
        x = trunk.embed(pixels)
        frames, rows, columns = pixels.shape[2:]
        staging = self.reduction(trunk.config, self.stages(trunk.config, (frames, rows, columns)))
        return trunk(x, staging), tuple(staging.trail)

    def tokens(self, config: VideoVitConfig, size: Size) -> list[int]:
        """How many tokens of a clip enter each block."""
        gone = {stage.layer: stage.groups * stage.r for stage in self.stages(config, size)}
        left = prod(config.grid(*size))
        return [
            left - sum(count for at, count in gone.items() if at < layer) for layer in range(config.layers)
        ]

    def macs(self, config: VideoVitConfig, size: Size, trail: Sequence[Any] = ()) -> int:
        """As `ClipMethod.macs`, the choosing included; the same for every clip."""
        tokens, channels = self.tokens(config, size), config.width // config.heads
        choosing = sum(
            self.choosing_macs(stage, tokens[stage.layer] // stage.groups, channels=channels)
            for stage in self.stages(config, size)
        )
        return video_macs(config, patches=tokens[0], tokens=tokens) + choosing

    @property
    def _each(self) -> Sequence[int]:
        return self.r if isinstance(self.r, tuple) else (self.r,) * STAGES

    def _check(self, config: VideoVitConfig, slices: int) -> None:
        if config.pool != "mean":
            raise SettingsError(
                f"this model reads its first token, which {self.name} may drop; only models that pool by the mean can "
                "be pruned"
            )
        if config.layers < STAGES:
            raise SettingsError(
                f"{self.name} takes tokens away at {STAGES} places, and this model has {config.layers} blocks"
            )
        wanted = 2 ** (STAGES - 1)
        if self.groups == "halved" and slices % wanted:
            raise SettingsError(
                f"{self.name} halves the groups of time twice, so a clip needs a multiple of {wanted * config.tubelet} "
                f"frames; received {slices * config.tubelet} (groups='slices' takes any length)"
            )


class Pruning(Staging):
    """Drops tokens by a rule.

    Args:
        stages: where, in order.
        rule: which ones.
    """

    def __init__(self, stages: Sequence[Stage], rule: Rule) -> None:
        self.stages = {stage.layer: stage for stage in stages}
        self.rule = rule
        self.trail: list[Pruned] = []

    def begin(self, x: Tensor) -> Tensor:
        """Nothing is dropped yet."""
        self.trail = []
        return x

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Drop by the tokens and their keys, averaged over heads: [b, n, d] -> [b, m, d]."""
        if layer not in self.stages:
            return x
        stage = self.stages[layer]
        kept, scores = self.rule.keep(
            x, mean_of_heads(keys), groups=stage.groups, r=stage.r, number=stage.number
        )
        original = self.trail[-1].original.gather(1, kept) if self.trail else kept
        self.trail.append(Pruned(layer, stage.groups, kept, original, scores))
        return rows_at(x, kept)


@dataclass(frozen=True)
class Ruled(Staged):
    """Drops tokens by a rule."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.rule  # checks its settings

    @property
    @abstractmethod
    def rule(self) -> Rule:
        """Which tokens go."""

    def reduction(self, config: VideoVitConfig, stages: Sequence[Stage]) -> Pruning:
        """As `Staged.reduction`."""
        return Pruning(stages, self.rule)

    def choosing_macs(self, stage: Stage, size: int, *, channels: int) -> int:
        """As `Staged.choosing_macs`."""
        return self.rule.macs(size, groups=stage.groups, r=stage.r, channels=channels)
