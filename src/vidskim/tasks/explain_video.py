"""What TempMe does with a whole video: which patches of which frames become one token on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from vidskim.methods.joining import follow_patches
from vidskim.pipeline.retrieval import PlanTable, RetrievalEncoder
from vidskim.tasks.explain import as_seen
from vidskim.tasks.explain_clip import ClipStage, TokenExplanation
from vidskim.tasks.patch_state import COMPUTED, MERGED
from vidskim.tokens.clip_plan import ClipBlock
from vidskim.video.prepare import prepare_frames
from vidskim.video.spread import read_spread


@dataclass(frozen=True, eq=False)
class VideoExplanation(TokenExplanation):
    """What became of the patches of a video's frames, around each join and at the end; class tokens are apart.

    Args:
        plan: tokens of each block, class tokens among them.
    """

    plan: PlanTable
    whole: ClassVar[str] = "video"
    group: ClassVar[str] = "clip"
    slice: ClassVar[str] = "frame"
    shared: ClassVar[str] = "frames that see each other"
    full: ClassVar[str] = "the MACs of the frames alone"
    counted: ClassVar[str] = "patch tokens"  # class tokens are left out
    coloured: ClassVar[bool] = True

    def verdict(self) -> str:
        """How many patches the largest token holds, in a line."""
        places = self.stages[-1].slots
        merged = places[places >= 0]
        if not len(merged):
            return "nothing is merged"
        of_token = np.bincount(merged)
        largest = int(of_token.argmax())
        frames = int((places == largest).any(axis=(1, 2)).sum())
        return f"the largest token holds {of_token[largest]} patches of {frames} frames"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, without the pictures."""
        return {**super().to_json(), **self.plan.to_json()}


def explain_video(
    path: Path, model: RetrievalEncoder, *, start_s: float | None = None, length_s: float | None = None
) -> VideoExplanation:
    """Encode a video, or a part of it as if it were all, and follow its patches.

    Args:
        path: a local file.
        model: with its plan.
        start_s: leave out what is before this time on the file's clock.
        length_s: take so many seconds from there.

    Raises:
        VideoError: it cannot be read, or has no frame there.
    """
    clip = read_spread(
        path, model.frames, start_s=start_s, length_s=length_s, short_side=model.preparation.reading_side
    )
    pixels = prepare_frames(clip.frames, model.preparation)
    _, trace = model.encode_video(pixels[None], trace=True)
    plan = model.plan()
    places = follow_patches(plan.blocks, trace.merged)
    grid = model.trunk.config.grid
    return VideoExplanation(
        method=_describe(model),
        times_s=clip.times_s,
        pictures=as_seen(pixels, model.preparation),
        stages=[_stage(plan.blocks[layer], places[layer], grid) for layer in _telling(plan.blocks)],
        tokens=model.frames * grid * grid,
        macs=plan.macs,
        full_macs=plan.full_macs,
        plan=plan,
    )


def _telling(blocks: Sequence[ClipBlock]) -> list[int]:
    """The blocks worth drawing: the last before the first join, those that join, and the last."""
    joins = [block.layer for block in blocks if block.joined > 1]
    return sorted({*([max(0, joins[0] - 1)] if joins else []), *joins, len(blocks) - 1})


def _stage(block: ClipBlock, places: Tensor, grid: int) -> ClipStage:
    """Patches alone in their token keep their colours; those of one token share a number."""
    slots = places.numpy().reshape(-1, grid, grid)
    merged = np.bincount(slots.ravel())[slots] > 1
    fates = np.where(merged, MERGED, COMPUTED).astype(np.int8)
    joins = f", joins {block.joined}" if block.joined > 1 else ""
    return ClipStage(f"block {block.layer}{joins}", block.clips, fates, np.where(merged, slots, -1))


def _describe(model: RetrievalEncoder) -> str:
    """Such as "tempme, 12 frames, joins 2 3, split place, not merged"."""
    plan = model.method.plan
    joins = " ".join(str(clips) for _, clips in plan.joins) or "nothing"
    merging = "" if plan != plan.without_merging() else ", not merged"
    faithful = ", faithful" if model.method.faithful else ""
    split = f"split {model.method.split}{merging}{faithful}"
    return f"{model.method.name}, {plan.frames} frames, joins {joins}, {split}"
