"""When clips of a video are joined and how many tokens are merged on the way, as data.

A clip is at first one frame. Where clips are joined, their tokens stand in one row: first the class tokens in order of
time, one a frame, then the patches clip after clip. Source: Shen et al., TempMe, ICLR 2025, section 3, and its code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vidskim.errors import SettingsError, unknown_name


@dataclass(frozen=True)
class ClipBlock:
    """One block of a plan; counts are of one video.

    Args:
        layer: the block's number.
        joined: how many neighbouring clips become one before the block; 1 for none.
        clips: clips that pass the block.
        frames: frames in each of them, and so class tokens.
        entering: tokens of a clip before joining.
        across: tokens merged after joining, before attention.
        attending: tokens of a clip in attention.
        within: tokens merged between attention and MLP.
        leaving: tokens of a clip after the block.
    """

    layer: int
    joined: int
    clips: int
    frames: int
    entering: int
    across: int
    attending: int
    within: int
    leaving: int


@dataclass(frozen=True)
class ClipPlan:
    """How a video of `frames` frames is joined and merged.

    Args:
        frames: of a video, 1 or more; each join must divide the clips there are.
        joins: (block, clips that become one), blocks counted from 0 and in order.
        r: tokens merged in each frame in every block before the first join.
        across: share of a joined clip's tokens that are merged at a join, 0 to below 1. Class tokens are counted in
            the share but never merged, and at most half of the patches are merged at once.
        within: share of a clip's tokens that are merged in every block from the first join on.
    """

    frames: int
    joins: tuple[tuple[int, int], ...]
    r: int = 0
    across: float = 0.0
    within: float = 0.0

    def __post_init__(self) -> None:
        if not _is_count(self.frames, least=1):
            raise SettingsError(f"frames of a plan is a whole number of 1 or more; received {self.frames!r}")
        if not _is_count(self.r, least=0):
            raise SettingsError(
                f"r is the number of tokens merged in each frame and block, 0 or more; received {self.r!r}"
            )
        for name in ("across", "within"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
                raise SettingsError(
                    f"{name} is the share of tokens that are merged, from 0 to below 1; received {share!r}"
                )
        self._check_joins()

    @classmethod
    def read(cls, given: "str | Mapping[str, Any] | ClipPlan") -> "ClipPlan":
        """A plan from a preset's name, or from its fields; "joins" may be {block: clips}.

        Raises:
            SettingsError: an unknown preset or field, or values that make no plan.
        """
        if isinstance(given, ClipPlan):
            return given
        if isinstance(given, str):
            if given not in PRESETS:
                if given.lstrip().startswith("{"):
                    raise SettingsError(
                        'a plan in words is JSON, such as {"frames": 8, "joins": {"2": 2, "3": 4}, "r": 4, '
                        f'"across": 0.3, "within": 0.1}}; received {given!r}'
                    )
                raise unknown_name("plan", given, PRESETS)
            return PRESETS[given]
        if not isinstance(given, Mapping):
            raise SettingsError(
                f"a plan is a preset ({', '.join(PRESETS)}), a mapping of its fields or a ClipPlan; received {given!r}"
            )
        names = ClipPlan.__dataclass_fields__
        for name in given:
            if name not in names:
                raise unknown_name("field of a plan", str(name), names)
        if absent := [name for name in ("frames", "joins") if name not in given]:
            raise SettingsError(f"a plan needs {' and '.join(absent)}; received {dict(given)}")
        return cls(**{**given, "joins": _pairs(given["joins"])})

    def to_record(self) -> dict[str, Any]:
        """Plain JSON values, which `read` takes."""
        return {
            "frames": self.frames,
            "joins": [list(join) for join in self.joins],
            "r": self.r,
            "across": self.across,
            "within": self.within,
        }

    @property
    def places(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """What clip positions belong to: the frames, and where how many clips become one."""
        return self.frames, self.joins

    def without_merging(self) -> "ClipPlan":
        """The same joins, every token kept: the more accurate and dearer half of the method."""
        return replace(self, r=0, across=0.0, within=0.0)

    def blocks(self, *, layers: int, patches: int) -> tuple[ClipBlock, ...]:
        """The plan for a model of so many blocks and patches a frame, counts computed up front.

        Raises:
            SettingsError: it does not fit the model.

        Source: the authors' code; the shares are rounded down in binary floating point, as there.
        """
        if self.joins and self.joins[-1][0] >= layers:
            raise SettingsError(
                f"the plan joins clips in block {self.joins[-1][0]}, and the model's blocks are 0 to {layers - 1}"
            )
        joins = dict(self.joins)
        first = self.joins[0][0] if self.joins else layers
        clips, frames, tokens = self.frames, 1, 1 + patches
        blocks = []
        for layer in range(layers):
            k, entering = joins.get(layer, 1), tokens
            clips, frames, tokens = clips // k, frames * k, tokens * k
            across = min((tokens - frames) // 2, int(tokens * self.across)) if k > 1 else 0
            attending = tokens - across
            within = min((attending - frames) // 2, int(attending * self.within))
            if layer < first:
                within = self._in_frame(layer, attending - frames)
            tokens = attending - within
            blocks.append(
                ClipBlock(layer, k, clips, frames, entering, across, attending, within, leaving=tokens)
            )
        return tuple(blocks)

    def _in_frame(self, layer: int, patches: int) -> int:
        if self.r > patches // 2:
            raise SettingsError(
                f"r={self.r} is too much: block {layer} has {patches} patches of a frame left, of which at most half, "
                f"{patches // 2}, can be merged"
            )
        return self.r

    def _check_joins(self) -> None:
        clips, before = self.frames, -1
        for join in self.joins:
            if len(join) != 2 or not _is_count(join[0], least=0) or not _is_count(join[1], least=2):
                raise SettingsError(
                    f"a join is a block's number and how many clips become one, 2 or more; received {join!r}"
                )
            layer, k = join
            if layer <= before:
                raise SettingsError(f"joins are in order of their blocks, each once; received {self.joins}")
            if clips % k:
                raise SettingsError(
                    f"block {layer} joins {k} clips, which does not divide the {clips} there are "
                    f"({self.frames} frames, joins {self.joins})"
                )
            clips, before = clips // k, layer


def _is_count(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _pairs(joins: object) -> tuple[tuple[Any, ...], ...]:
    """{8: 2, "9": 2} or [[8, 2], [9, 2]] as pairs."""
    if isinstance(joins, Mapping):
        numbered = ((int(key) if str(key).isdigit() else key, k) for key, k in joins.items())
        return tuple(numbered)
    if isinstance(joins, Sequence) and all(isinstance(join, Sequence) for join in joins):
        return tuple(tuple(join) for join in joins)
    raise SettingsError(
        f"joins are pairs of block and clips, or a mapping {{block: clips}}; received {joins!r}"
    )


# "short" videos of 12 frames as published; the shares of B/16 are those that give its published cost and tokens, and
# those of 64 frames are not published: the backbone's own are taken
_SHORT, _LONG = ((8, 2), (9, 2), (10, 3)), ((8, 4), (9, 4), (10, 4))
PRESETS = {
    "b32-12f": ClipPlan(12, _SHORT, r=2, across=0.3, within=0.1),
    "b16-12f": ClipPlan(12, _SHORT, r=10, across=0.4, within=0.2),
    "b32-64f": ClipPlan(64, _LONG, r=2, across=0.3, within=0.1),
    "b16-64f": ClipPlan(64, _LONG, r=10, across=0.4, within=0.2),
}
