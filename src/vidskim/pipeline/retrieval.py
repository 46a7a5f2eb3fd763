"""RetrievalEncoder: a whole video in, one vector out, to be compared with sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.methods.frames import batches
from vidskim.methods.joining import Merged
from vidskim.methods.tempme import TempMe, make_tempme, mean_of_frames
from vidskim.models.adapter import Adapter
from vidskim.models.cost import vit_macs
from vidskim.models.vit import unit
from vidskim.pipeline.encoder import TrunkEncoder, VideoEncoder
from vidskim.pipeline.text import TextEncoder
from vidskim.tokens.clip_plan import ClipBlock, ClipPlan
from vidskim.video.clip import Clip
from vidskim.video.prepare import prepare_frames


@dataclass(frozen=True)
class VideoTrace:
    """What a video's vector was made of.

    Args:
        frames: unit vectors of the frames [b, t, d], each of which has seen the others of its clip.
        mean: their mean over the frames that count [b, d], not normalised.
        merged: what was merged, merging by merging in the order of the blocks; `slots` are int64 [b clips, n]. Those
            of the last block are only matched: nothing reads what would become of them.
    """

    frames: Tensor
    mean: Tensor
    merged: tuple[Merged, ...]


@dataclass(frozen=True)
class PlanTable:
    """A plan's counts for one model; `str` is a table.

    Args:
        plan: how a video is joined and merged.
        blocks: tokens of each block.
        macs: multiply-accumulates of one video.
        full_macs: the same of its frames, each encoded alone and in full.
    """

    plan: ClipPlan
    blocks: tuple[ClipBlock, ...]
    macs: int
    full_macs: int

    def __str__(self) -> str:
        rows = ["block  clips  frames in each  tokens: in    joined  attending  leaving"]
        for block in self.blocks:
            joined = block.entering * block.joined
            rows.append(
                f"{block.layer:5d}  {block.clips:5d}  {block.frames:14d}  {block.entering:10d}  {joined:8d}  "
                f"{block.attending:9d}  {block.leaving:7d}"
            )
        share = f"{self.macs / self.full_macs:.0%} of the frames alone"
        rows.append(f"{self.plan.frames} frames, {self.macs / 1e9:.2f} GMAC, {share}")
        return "\n".join(rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        blocks = [vars(block).copy() for block in self.blocks]
        record = {"plan": self.plan.to_record(), "blocks": blocks}
        return {**record, "macs": self.macs, "full_macs": self.full_macs}


class RetrievalEncoder(TrunkEncoder):
    """A vision tower whose frames see each other, and the text tower beside it.

    Made by `load_model(..., method="tempme")`. It keeps no state between calls.

    Args:
        alone: the same model encoding each frame alone, in full.
        method: how frames are joined.
    """

    def __init__(self, alone: VideoEncoder, method: TempMe) -> None:
        self.alone, self.method = alone, method
        self.trunk, self.preparation = alone.trunk, alone.preparation
        self.text, self.tokenizer = alone.text, alone.tokenizer
        self.fingerprint = replace(alone.fingerprint, method=method.name, settings=method.to_record())

    def __repr__(self) -> str:
        plan, split = self.method.plan, self.method.split
        return f"RetrievalEncoder({self.fingerprint.model}, {plan}, split={split!r}, {self.dtype}, {self.device})"

    @property
    def frames(self) -> int:
        """Frames of a video, as the plan has it."""
        return self.method.plan.frames

    @property
    def texts(self) -> TextEncoder:
        """What encodes texts."""
        return self.alone.texts

    def plan(self) -> PlanTable:
        """Tokens of each block and what a video costs, known before anything is run."""
        config = self.trunk.config
        full = self.frames * vit_macs(config)
        return PlanTable(self.method.plan, self.method.blocks(config), self.method.macs(config), full)

    @overload
    def encode_video(
        self, pixels: Tensor, mask: Tensor | None = None, *, trace: Literal[False] = False
    ) -> Tensor: ...
    @overload
    def encode_video(
        self, pixels: Tensor, mask: Tensor | None = None, *, trace: Literal[True]
    ) -> tuple[Tensor, VideoTrace]: ...
    def encode_video(
        self, pixels: Tensor, mask: Tensor | None = None, *, trace: bool = False
    ) -> Tensor | tuple[Tensor, VideoTrace]:
        """Vectors of videos.

        Args:
            pixels: normalised frames [b, t, 3, y, x], t as in the plan.
            mask: which frames count, [b, t] of 0 and 1 or bool, at least one a video; None for all.
            trace: also return the frames' vectors and what was merged.

        Returns:
            Float32 [b, d], L2-normalised, on the CPU; with `trace` also a `VideoTrace`.

        Raises:
            SettingsError: a shape is wrong, or a video has no frame that counts.
        """
        pixels = torch.as_tensor(pixels)
        if not pixels.is_floating_point():
            raise SettingsError(f"pixels must be normalised floats, received {pixels.dtype}")
        shown = None if mask is None else self._check_mask(torch.as_tensor(mask), pixels)
        parts: list[Tensor] = []
        trails: list[tuple[Merged, ...]] = []
        tokens = self.frames * (1 + self.trunk.config.patches)
        with torch.inference_mode():
            for rows in batches(torch.arange(len(pixels)), tokens, self.device):
                own = None if shown is None else shown[rows].to(self.device)
                frames, trail = self.method.run(self.trunk, pixels[rows].to(self.device), own, traced=trace)
                parts.append(frames.cpu())
                trails.append(trail)
        frames = torch.cat([torch.empty(0, self.frames, self.dim), *parts])
        mean = mean_of_frames(frames, shown)
        if not trace:
            return unit(mean)
        merged = tuple(
            replace(same[0], slots=torch.cat([one.slots.cpu() for one in same]))
            for same in zip(*trails, strict=True)
        )
        return unit(mean), VideoTrace(frames, mean, merged)

    def encode(self, clip: Clip) -> Tensor:
        """The vector of a clip, float32 [d]: as many of its frames as the plan has, spread evenly.

        A shorter clip repeats frames, as in training.

        Raises:
            SettingsError: not a clip.
        """
        if not isinstance(clip, Clip):
            raise SettingsError(f"encode takes a Clip, as read_video gives; received {type(clip).__name__}")
        rows = np.linspace(0, len(clip) - 1, self.frames).astype(np.int64)
        return self.encode_video(prepare_frames(clip.frames[rows], self.preparation)[None])[0]

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Text vectors, L2-normalised float32 [n, d], comparable with the videos'.

        Raises:
            CheckpointError: the checkpoint has no text tower, or no tokenizer came with it.
        """
        return self.texts.encode_text(texts)

    def _check_mask(self, mask: Tensor, pixels: Tensor) -> Tensor:
        """The mask as bool on the CPU."""
        if mask.shape != pixels.shape[:2]:
            raise SettingsError(
                f"expected a mask [b, t] = {list(pixels.shape[:2])}, received {list(mask.shape)}"
            )
        shown = mask.cpu() != 0
        if empty := (~shown.any(dim=1)).nonzero().flatten().tolist():
            raise SettingsError(f"every video needs a frame that counts; the mask hides all of {empty}")
        return shown


def join_frames(encoder: VideoEncoder, settings: Mapping[str, object]) -> RetrievalEncoder:
    """A frame model as a model of whole videos.

    Args:
        encoder: of frames alone, in full; clip positions of an adapter inside its weights are used.
        settings: of the method; those that are left out, or None, are the adapter's.

    Raises:
        SettingsError: as `make_tempme`.
    """
    adapter = encoder.adapter or Adapter({}, {})
    given = {name: value for name, value in settings.items() if value is not None}
    method = make_tempme(
        {**adapter.settings, **given},
        config=encoder.trunk.config,
        positions={layer: table.to(encoder.device) for layer, table in adapter.positions.items()},
    )
    return RetrievalEncoder(encoder, method)
