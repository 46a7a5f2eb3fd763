"""TempMe: neighbouring clips of a video are joined and merged inside a frame model; one vector a video.

Blocks before the first join merge a few tokens in each frame. Where clips are joined, the same weights attend across
frames from there on. Source: Shen et al., TempMe, ICLR 2025, and the authors' code; ToMe's matching.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from vidskim.errors import SettingsError, unknown_name
from vidskim.models.attention import attend
from vidskim.models.cost import clips_macs
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer, unit
from vidskim.tokens.clip_plan import PRESETS, ClipBlock, ClipPlan
from vidskim.tokens.match import match, merge

SPLITS = ("place", "clip")
PRESET_LAYERS = 12  # of the models that the presets are for
HIDDEN = (
    -1e4
)  # added to logits of tokens that stand for nothing; finite, so that a clip of nothing else stays finite


@dataclass(frozen=True)
class Merged:
    """One merging, in all clips of a batch.

    Args:
        layer: the block's number.
        stage: "across" the clips that were just joined, or "within" a clip after its attention.
        frames: frames in a clip, whose class tokens come first and are never merged.
        slots: where each token of the clip stands afterwards, int64 [clips, n]; merged tokens share a slot.
    """

    layer: int
    stage: Literal["across", "within"]
    frames: int
    slots: Tensor


class JoinClips(Reduction):
    """Joins and merges by a plan, and lets attention count each token as many times as it has patches inside.

    Args:
        blocks: the plan's, for this trunk.
        positions: clip positions by block, [clips that enter the block, d]; no entry adds nothing.
        by_clip: split tokens for matching across clips by their clips.
        faithful: positions are left out where nothing is merged.
        shown: which frames count, bool [frames of all videos], or None for all.
        traced: also match in the last block, where merging changes nothing that is read.
    """

    def __init__(
        self,
        blocks: Sequence[ClipBlock],
        *,
        positions: Mapping[int, Tensor],
        by_clip: bool = False,
        faithful: bool = False,
        shown: Tensor | None = None,
        traced: bool = False,
    ) -> None:
        self.blocks, self.positions = blocks, positions
        self.by_clip, self.faithful, self.shown, self.traced = by_clip, faithful, shown, traced
        self.size: Tensor | None = None  # [clips, n] float32; None while every token is one
        self.trail: list[Merged] = []

    def begin(self, x: Tensor) -> Tensor:
        """Nothing is joined yet; tokens of frames that do not count have size 0."""
        self.trail = []
        self.size = None if self.shown is None else self.shown.float()[:, None].expand(-1, x.shape[1])
        return x

    def before_attention(self, layer: int, x: Tensor) -> Tensor:
        """Join clips and merge across them: [clips, n, d] -> [clips / k, m, d]."""
        block = self.blocks[layer]
        k = block.joined
        if k == 1:
            return x
        classes = block.frames // k
        joined = placed = join(x, k, classes=classes)
        if self.size is not None:
            self.size = join(self.size[..., None], k, classes=classes)[..., 0]
        if layer in self.positions and (block.across or not self.faithful):
            position = self.positions[layer].to(x.dtype)
            placed = join(
                (x.view(-1, len(position), *x.shape[1:]) + position[:, None]).view_as(x), k, classes=classes
            )
        if not block.across:
            return placed
        run = block.entering - classes if self.by_clip else None
        slots = self._match(block, "across", joined, block.across, run=run)
        return self._merge(placed, slots, block.attending)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Proportional attention: the logarithm of a token's size is added to its logits."""
        block = self.blocks[layer]
        if self.traced and block is self.blocks[-1] and block.within:
            self._match(block, "within", k.mean(dim=1), block.within)
        bias = None if self.size is None else self.size.log().clamp_min(HIDDEN)[:, None, None].to(q.dtype)
        return attend(q, k, v, bias=bias)

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Merge within clips by the keys, averaged over heads: [clips, n, d] -> [clips, m, d]."""
        block = self.blocks[layer]
        if not block.within:
            return x
        slots = self._match(block, "within", keys.mean(dim=1), block.within)
        return self._merge(x, slots, block.leaving)

    def _match(
        self,
        block: ClipBlock,
        stage: Literal["across", "within"],
        metric: Tensor,
        r: int,
        *,
        run: int | None = None,
    ) -> Tensor:
        size = None if self.shown is None else self.size
        slots = match(metric.detach(), r, protected=block.frames, run=run, size=size)
        self.trail.append(Merged(block.layer, stage, block.frames, slots))
        return slots

    def _merge(self, x: Tensor, slots: Tensor, count: int) -> Tensor:
        size = torch.ones(x.shape[:2], device=x.device) if self.size is None else self.size
        x, self.size = merge(x, slots, size, count=count)
        return x


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
                "faithful=True is the authors' code, which splits by place; received split='clip'"
            )

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
        entering = {block.layer: block.clips * block.joined for block in blocks if block.joined > 1}
        for layer, table in self.positions.items():
            if layer not in entering or tuple(table.shape) != (entering[layer], config.width):
                wanted = {join: [clips, config.width] for join, clips in entering.items()}
                raise SettingsError(
                    f"clip positions of block {layer} are {list(table.shape)}, which is of another plan; this one's "
                    f"blocks and shapes: {wanted}"
                )
        return blocks

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


def join(x: Tensor, k: int, *, classes: int) -> Tensor:
    """Every k neighbouring clips become one row, class tokens first: [clips, n, d] -> [clips / k, k n, d].

    Args:
        x: clips of a video follow each other in order of time.
        k: how many become one.
        classes: class tokens at the start of each clip.
    """
    groups = x.view(-1, k, *x.shape[1:])  # clips/k k n d
    return torch.cat([groups[:, :, :classes].flatten(1, 2), groups[:, :, classes:].flatten(1, 2)], dim=1)


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
            "plan=, such as {'frames': 8, 'joins': {2: 2, 3: 4}, 'r': 1, 'across': 0.3, 'within': 0.1}"
        )
    return PRESETS[name]
