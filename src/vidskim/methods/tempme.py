"""TempMe: neighbouring clips of a video are joined and merged inside a frame model; one vector a video.

Blocks before the first join merge a few tokens in each frame. Where clips are joined, the same weights attend across
frames from there on. Source: Shen et al., TempMe, ICLR 2025, and the authors' code; ToMe's matching.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.joining import JoinClips, Merged
from vidskim.models.cost import clips_macs
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer, unit
from vidskim.tokens.clip_plan import PRESETS, ClipBlock, ClipPlan

SPLITS = ("place", "clip")
SETTINGS = ("plan", "split", "merge", "faithful")
PRESET_LAYERS = 12  # of the models that the presets are for


@dataclass(frozen=True)
class TempMe:
    """A plan, and how it is carried out.

    Args:
        plan: when clips are joined, how much is merged.
        split: which tokens may meet where clips are joined: "place", as published, those at even places those at odd
            ones, so that the same patch of neighbouring frames meets or never meets by the parity of the count;
            "clip": those of each other clip those of the clips between, so that neighbouring clips always meet.
        faithful: as the authors' code where it is not what one wants: frames that do not count are left out of the
            mean only, and clip positions are left out where a join merges nothing.
        positions: clip positions by block, [clips that enter the block, d].
    """

    plan: ClipPlan
    split: Literal["place", "clip"] = "place"
    faithful: bool = False
    positions: Mapping[int, Tensor] = field(default_factory=dict, repr=False, compare=False)
    name = "tempme"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise unknown_name("split of method='tempme',", str(self.split), SPLITS)
        if self.faithful and self.split != "place":
            raise SettingsError(
                "faithful=True is the authors' code, which splits by place; split='clip', from the settings or the "
                "adapter, does not go with it"
            )

    def to_record(self) -> dict[str, object]:
        """What tells this method from another, for a fingerprint: plain JSON values."""
        return {"plan": self.plan.to_record(), "split": self.split, "faithful": self.faithful}

    def blocks(self, config: VitConfig) -> tuple[ClipBlock, ...]:
        """The plan's counts for a trunk.

        Raises:
            SettingsError: the plan does not fit the trunk, or its clip positions do not fit the plan.
        """
        if config.registers:
            raise SettingsError(
                f"this model has {config.registers} register tokens; TempMe is for models with a class token alone"
            )
        blocks = self.plan.blocks(layers=config.layers, patches=config.patches)
        wanted = self._joining(blocks, config.width)
        for layer, table in self.positions.items() if wanted else ():
            if tuple(table.shape) != wanted.get(layer):
                shapes = {join: list(shape) for join, shape in wanted.items()}
                raise SettingsError(
                    f"clip positions of block {layer} are {list(table.shape)}, which is of another plan; this one's "
                    f"blocks and shapes: {shapes}"
                )
        return blocks

    def position_shapes(self, config: VitConfig) -> dict[int, tuple[int, int]]:
        """Blocks that use clip positions, and the shape [clips that enter the block, d] of each.

        Raises:
            SettingsError: as `blocks`.
        """
        blocks = self.blocks(config)
        used = {block.layer for block in blocks if block.across or not self.faithful}
        return {layer: shape for layer, shape in self._joining(blocks, config.width).items() if layer in used}

    @staticmethod
    def _joining(blocks: Sequence[ClipBlock], width: int) -> dict[int, tuple[int, int]]:
        return {block.layer: (block.clips * block.joined, width) for block in blocks if block.joined > 1}

    def run(
        self, trunk: VisionTransformer, pixels: Tensor, mask: Tensor | None = None, *, traced: bool = False
    ) -> tuple[Tensor, tuple[Merged, ...]]:
        """Vectors of the frames of videos, each of which has seen the others of its clip.

        Args:
            trunk: a frame model, on the device of the pixels.
            pixels: normalised videos [b, t, 3, y, x], t as in the plan.
            mask: frames that count, bool [b, t]; None for all.
            traced: also say what would be merged in the last block.

        Returns:
            Unit vectors [b, t, dim], and what was merged.

        Raises:
            SettingsError: videos of another shape, or the plan does not fit the trunk.
        """
        blocks = self.blocks(trunk.config)
        if pixels.dim() != 5 or pixels.shape[1] != self.plan.frames:
            raise SettingsError(
                f"expected pixels [b, {self.plan.frames}, 3, y, x], as the plan has {self.plan.frames} frames; "
                f"received {list(pixels.shape)}"
            )
        b, t = pixels.shape[:2]
        shown = None
        if mask is not None and not self.faithful and not bool(mask.all()):
            pixels = pixels.masked_fill(~mask[:, :, None, None, None], 0)
            shown = mask.flatten()
        joining = JoinClips(
            blocks,
            positions=self.positions,
            by_clip=self.split == "clip",
            faithful=self.faithful,
            shown=shown,
            traced=traced,
        )
        first = slice(0, blocks[-1].frames)
        classes = trunk.forward_rows(trunk.embed(pixels.flatten(0, 1)), first, joining)
        return unit(trunk.project(classes)).view(b, t, -1), tuple(joining.trail)  # (b clips) frames dim

    def macs(self, config: VitConfig) -> int:
        """Multiply-accumulates of one video, the matching included."""
        return clips_macs(config, self.blocks(config), by_clip=self.split == "clip")


def mean_of_frames(frames: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mean of frames that count: [b, t, d] and bool [b, t] -> [b, d], not normalised again."""
    if mask is None:
        return frames.mean(dim=1)
    weights = mask.to(frames.dtype)[..., None]
    return (frames * weights).sum(dim=1) / weights.sum(dim=1)


def preset_for(config: VitConfig) -> ClipPlan:
    """The published plan for 12 frames of a backbone.

    Raises:
        SettingsError: there is none for it.
    """
    name = f"b{config.patch}-12f"
    if name not in PRESETS or config.layers != PRESET_LAYERS:
        raise SettingsError(
            f"no plan is published for models of {config.layers} blocks and patches of {config.patch} pixels; give "
            'one, such as plan={"frames": 8, "joins": {"2": 2, "3": 4}, "r": 1, "across": 0.3, "within": 0.1}'
        )
    return PRESETS[name]


def make_tempme(
    settings: Mapping[str, object],
    *,
    config: VitConfig,
    positions: Mapping[int, Tensor] | None = None,
) -> TempMe:
    """The method from its settings.

    Args:
        settings: any of plan (default the published one of the backbone), split, faithful, and merge, which when False
            leaves the joins alone.
        config: the trunk's.
        positions: the adapter's clip positions.

    Raises:
        SettingsError: an unknown setting, a value out of range, or a plan that fits neither trunk nor positions.
    """
    for key, value in settings.items():
        if key not in SETTINGS:
            raise unknown_name("setting of method='tempme',", key, SETTINGS)
        if key in ("merge", "faithful") and not isinstance(value, bool):
            raise SettingsError(f"{key} is True or False; received {value!r}")
    given: Any = settings.get("plan")
    plan = preset_for(config) if given is None else ClipPlan.read(given)
    method = TempMe(
        plan if settings.get("merge", True) else plan.without_merging(),
        positions=positions or {},
        **{key: value for key, value in settings.items() if key in ("split", "faithful")},  # type: ignore[arg-type]
    )
    method.blocks(config)
    return method
