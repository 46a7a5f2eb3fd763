"""STA: after three blocks, tokens that repeat what was seen before are dropped, without training.

Source: Ding et al., Prune Spatio-temporal Tokens by Semantic-aware Temporal Accumulation, ICCV 2023. Where the paper's
algorithm and the authors' code differ, the code is the default, for its figures were made with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.clips import Pruned, Size
from vidskim.models.cost import video_macs
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.tokens.propagate import propagate, propagation_macs, rows_at

STAGES = 3
CHOICES = {"groups": ("halved", "slices"), "direction": ("alternate", "forward"), "anchor": ("all", "kept")}


@dataclass(frozen=True)
class Stage:
    """One place where tokens are dropped.

    Args:
        layer: after this block.
        groups: groups by time.
        r: tokens dropped in each group.
        backward: from the last group to the first.
    """

    layer: int
    groups: int
    r: int
    backward: bool


class Pruning(Reduction):
    """Drops tokens at given stages, and remembers which.

    Args:
        stages: where, in order.
        from_kept: see `tokens.propagate`.
    """

    def __init__(self, stages: Sequence[Stage], *, from_kept: bool) -> None:
        self.stages = {stage.layer: stage for stage in stages}
        self.from_kept = from_kept
        self.trail: list[Pruned] = []

    def begin(self, x: Tensor) -> Tensor:
        """Nothing is dropped yet."""
        self.trail = []
        return x

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Drop by the keys, averaged over heads, and the tokens' norms: [b, n, d] -> [b, m, d]."""
        if layer not in self.stages:
            return x
        stage = self.stages[layer]
        metric = keys.mean(dim=1, dtype=torch.promote_types(keys.dtype, torch.float32))
        kept, scores = propagate(
            x, metric, groups=stage.groups, r=stage.r, backward=stage.backward, from_kept=self.from_kept
        )
        original = self.trail[-1].original.gather(1, kept) if self.trail else kept
        self.trail.append(Pruned(layer, stage.groups, kept, original, scores))
        return rows_at(x, kept)


@dataclass(frozen=True)
class Sta:
    """Drops `r` tokens of each group of time after the first block, a third and two thirds of the blocks.

    Args:
        r: tokens dropped in each group, one number or one for each of the three stages; 0 drops nothing.
        groups: "halved": each stage has half as many groups as the one before, at first one a slice of the clip (the
            code's way, so clips must have a multiple of 4 slices); "slices": always as many as slices.
        direction: "alternate": forward, backward, forward (the code's way), or "forward" (the paper's).
        anchor: what the second group is compared with, "all" tokens of the first (the code's way) or those "kept" (the
            paper's).
    """

    r: int | tuple[int, int, int] = 48
    groups: Literal["halved", "slices"] = "halved"
    direction: Literal["alternate", "forward"] = "alternate"
    anchor: Literal["all", "kept"] = "all"
    name = "sta"

    def __post_init__(self) -> None:
        for field in ("groups", "direction", "anchor"):
            if (value := getattr(self, field)) not in CHOICES[field]:
                raise unknown_name(f"{field} of method='sta',", str(value), CHOICES[field])
        each = self._each
        if len(each) != STAGES or not all(type(r) is int and r >= 0 for r in each):
            raise SettingsError(
                f"r is the number of tokens dropped in each group, 0 or more, or {STAGES} such numbers, one a stage; "
                f"received {self.r}"
            )

    def stages(self, config: VideoVitConfig, size: Size) -> list[Stage]:
        """Where how many tokens are dropped of clips of so many frames, rows and columns of pixels.

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
            if r >= tokens // groups:
                raise SettingsError(
                    f"r={self.r} drops too much: after block {layer} a group has {tokens // groups} tokens, and r "
                    f"there must be below that, received {r}"
                )
            stages.append(Stage(layer, groups, r, self.direction == "alternate" and number == 1))
            tokens -= groups * r
        return stages

    def run(self, trunk: VideoTransformer, pixels: Tensor) -> tuple[Tensor, tuple[Pruned, ...]]:
        """As `ClipMethod.run`."""
        x = trunk.embed(pixels)
        frames, rows, columns = pixels.shape[2:]
        stages = self.stages(trunk.config, (frames, rows, columns))
        pruning = Pruning(stages, from_kept=self.anchor == "kept")
        return trunk(x, pruning), tuple(pruning.trail)

    def tokens(self, config: VideoVitConfig, size: Size) -> list[int]:
        """How many tokens of a clip enter each block."""
        dropped = {stage.layer: stage.groups * stage.r for stage in self.stages(config, size)}
        left = prod(config.grid(*size))
        return [
            left - sum(count for at, count in dropped.items() if at < layer) for layer in range(config.layers)
        ]

    def macs(self, config: VideoVitConfig, size: Size, trail: Sequence[Pruned] = ()) -> int:
        """As `ClipMethod.macs`, the choosing included; the same for every clip."""
        tokens = self.tokens(config, size)
        choosing = sum(
            propagation_macs(
                tokens[stage.layer] // stage.groups,
                groups=stage.groups,
                r=stage.r,
                channels=config.width // config.heads,
                from_kept=self.anchor == "kept",
            )
            for stage in self.stages(config, size)
        )
        return video_macs(config, patches=tokens[0], tokens=tokens) + choosing

    @property
    def _each(self) -> Sequence[int]:
        return self.r if isinstance(self.r, tuple) else (self.r,) * STAGES

    def _check(self, config: VideoVitConfig, slices: int) -> None:
        if config.pool != "mean":
            raise SettingsError(
                "this model reads its first token, which STA may drop; only models that pool by the mean can be pruned"
            )
        if config.layers < STAGES:
            raise SettingsError(
                f"STA drops tokens at {STAGES} places, and this model has {config.layers} blocks"
            )
        wanted = 2 ** (STAGES - 1)
        if self.groups == "halved" and slices % wanted:
            raise SettingsError(
                f"STA halves the groups of time twice, so a clip needs a multiple of {wanted * config.tubelet} frames; "
                f"received {slices * config.tubelet} (groups='slices' takes any length)"
            )
