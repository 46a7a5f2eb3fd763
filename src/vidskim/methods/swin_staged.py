"""Methods of a Video Swin that drop tokens: in each stage but the first, before its first block.

What is dropped together is a cell: the tokens that would become one token of the last stage, so that merging sees whole
two by two tokens, and is exact. Cells are compared by the mean of their tokens, as merged into the stage, and their
norm is that of all their tokens; no block has to run for it.

Source: the schedule is what the costs in table 3 of STA (Ding et al., ICCV 2023) imply; see `published_swin_macs`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.rules import Rule
from vidskim.models.swin import Stage, VideoSwin
from vidskim.models.swin_cost import attention_macs, linear_macs, swin_macs
from vidskim.models.swin_variants import Size, SwinConfig
from vidskim.models.window import Windows, block_pairs, filled_windows, packed_windows
from vidskim.tokens.propagate import rows_at

WINDOWS: dict[str, Callable[..., Windows]] = {"packed": packed_windows, "filled": filled_windows}


@dataclass(frozen=True)
class Dropped:
    """What is left in one stage.

    Args:
        stage: its number, from 1.
        kept: cells left, by their numbers in a map of the last stage, int64 [b, m]; group after group in order of
            time.
        scores: what cells were dropped by in each group, in order of time, [b, n] each.
        pairs: queries times keys of a plain and of a shifted block, over the whole batch.
    """

    stage: int
    kept: Tensor
    scores: tuple[Tensor, ...]
    pairs: tuple[int, int]


@dataclass(frozen=True)
class SwinStaged(ABC):
    """Drops r1 tokens of a slice in the second stage, r1 / 4 of two slices in the third, r1 / 16 of four in the last.

    Args:
        r1: tokens dropped of each slice of the second stage; 0 drops nothing. Of 784, at 224 pixels, the paper drops
            192, 256 or 320.
        windows: "packed": windows hold what is left in them and nothing else; "filled": dropped tokens leave empty
            places, so that attention costs what it does in whole maps, as in the paper, and lengths do not depend on
            the clip. The result is the same.
    """

    r1: int = 256
    windows: Literal["packed", "filled"] = "packed"
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if type(self.r1) is not int or self.r1 < 0:
            raise SettingsError(
                f"r1 is the number of tokens dropped of each slice of the second stage, 0 or more; received {self.r1!r}"
            )
        if self.windows not in tuple(WINDOWS):  # not all that may be given can be looked up
            raise unknown_name(f"windows of method={self.name!r},", self.windows, WINDOWS)
        _ = self.rule  # checks its settings

    @property
    @abstractmethod
    def rule(self) -> Rule:
        """Which cells go."""

    def run(self, trunk: VideoSwin, pixels: Tensor) -> tuple[Tensor, tuple[Dropped, ...]]:
        """Class scores of clips.

        Args:
            trunk: the model, on the device of the pixels.
            pixels: prepared clips [b, 3, frames, y, x].

        Returns:
            Logits [b, classes], and what was left in each stage.

        Raises:
            SettingsError: the clips have another shape, or do not suit `r1`.
        """
        if not self.r1:
            return trunk(pixels), ()
        x = trunk.embed(pixels)
        sizes = trunk.config.stage_sizes(_size(pixels))
        drop = self.cells_dropped(trunk.config, _size(pixels))
        x = to_cells(cast(Stage, trunk.stages[0]).merge(trunk.run_stage(0, x)), sizes[-1])
        left = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        trail = []
        for number in range(1, len(sizes)):
            stage = cast(Stage, trunk.stages[number])
            places, scores = self.rule.keep(
                x.flatten(2),
                x.mean(dim=(2, 3)),
                groups=sizes[0][0] >> number - 1,
                r=drop,
                number=number - 1,
            )
            b, m, side = *places.shape, x.shape[2]
            x = rows_at(x.flatten(2), places).view(b, m * side**2, -1)
            left = left.gather(1, places)
            at = tokens_of(left, sizes[-1], side=side)
            plain, shifted = (
                WINDOWS[self.windows](sizes[number], trunk.config.window, shifted=shifted, cells=at)
                for shifted in (False, True)
            )
            trail.append(Dropped(number, left, scores, (plain.pairs, shifted.pairs)))
            # m cells of side x side tokens, which merging makes half as wide
            x = stage.merge(stage(x, (plain, shifted)).view(b, m, side, side, -1))
        return trunk.pool(x.flatten(1, 3)), tuple(trail)

    def cells_dropped(self, config: SwinConfig, pixels: Size) -> int:
        """How many cells are dropped of each group, which is the same in every stage.

        Raises:
            SettingsError: the clip or the model does not suit `r1`.
        """
        stages, sizes = len(config.depths) - 1, config.stage_sizes(pixels)
        side = 1 << max(stages, 1) - 1
        whole = tuple(length * side for length in sizes[-1][1:])
        if stages < 1 or sizes[0][0] % side or (sizes[1][1:] != whole):
            multiples = (config.patch[0] * side, *(2 * side * patch for patch in config.patch[1:]))
            raise SettingsError(
                f"{self.name} on this model needs clips whose frames, rows and columns are multiples of {multiples}, "
                f"received {tuple(pixels)}"
            )
        drop, rest = divmod(self.r1, side**2)
        cells = sizes[-1][1] * sizes[-1][2]
        # what is left of a group in the last stage before dropping there
        last = side * cells - drop * (2 * side - 2)
        if rest or last <= drop:
            most = (side * cells - 1) // (2 * side - 1) * side**2
            raise SettingsError(
                f"r1 must be a multiple of {side**2} and at most {most} for clips of {tuple(pixels)}, "
                f"received {self.r1}"
            )
        return drop

    def macs(self, config: SwinConfig, pixels: Size, trail: Sequence[Dropped] = ()) -> int:
        """Multiply-accumulates of one clip, the choosing included.

        Args:
            config: the model's.
            pixels: frames, rows and columns of the clip.
            trail: what `run` returned, for the mean over its clips; packed windows depend on the clips. Without it,
                windows are filled.
        """
        if not self.r1:
            return swin_macs(config, pixels)
        sizes = config.stage_sizes(pixels)
        pairs = [block_pairs(size, config.window) for size in sizes]
        for dropped in trail:
            plain, shifted = (-(-count // len(dropped.kept)) for count in dropped.pairs)
            pairs[dropped.stage] = (plain, shifted)
        drop = self.cells_dropped(config, pixels)
        tokens, left, choosing = [prod(sizes[0])], prod(sizes[-1]), 0
        for number in range(1, len(sizes)):
            groups, side = sizes[0][0] >> number - 1, 2 ** (len(sizes) - 1 - number)
            channels = config.stage_width(number)
            choosing += self.rule.macs(left // groups, groups=groups, r=drop, channels=channels)
            left -= groups * drop
            tokens.append(left * side**2)
        return linear_macs(config, pixels, tokens) + attention_macs(config, pairs) + choosing


def to_cells(x: Tensor, last: Size) -> Tensor:
    """Maps of the second stage by cells: [b, t, y s, x s, d] -> [b, t y x, s, s, d], `last` being t, y, x."""
    b, d = len(x), x.shape[-1]
    t, rows, columns = last
    cells = x.view(b, t, rows, x.shape[2] // rows, columns, x.shape[3] // columns, d)
    return cells.permute(0, 1, 2, 4, 3, 5, 6).flatten(1, 3)


def tokens_of(cells: Tensor, last: Size, *, side: int) -> Tensor:
    """Where the tokens of cells lie in the map of a stage, row-major: int64 [b, m] -> [b, m * side * side]."""
    _, rows, columns = last
    t, y, x = cells // (rows * columns), cells // columns % rows, cells % columns
    within = torch.arange(side, device=cells.device)
    first = ((t * rows + y) * side * columns + x) * side  # of the token at the cell's corner
    offset = within[:, None] * side * columns + within
    return (first[..., None, None] + offset).flatten(1)


def _size(pixels: Tensor) -> Size:
    t, y, x = pixels.shape[2:]
    return t, y, x
