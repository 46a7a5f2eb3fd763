"""VideoEncoder: clips in, features out, through one engine that fills batches across videos."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.fingerprint import Fingerprint
from vidskim.methods.frames import Anchor, Encoded, FrameMethod, Segment
from vidskim.methods.registry import make_method, method_settings
from vidskim.methods.residual import ResidualTokenizer
from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.vit import VisionTransformer, unit
from vidskim.pipeline.features import Features, Trace
from vidskim.pipeline.stream import Block, Cutter, Prepared
from vidskim.video.clip import Clip
from vidskim.video.motion import patch_motion
from vidskim.video.prepare import Preparation, prepare_frames

# Frames encoded together. On a CPU more gains nothing; a GPU wants to be filled.
CPU_FRAMES = 48
GPU_FRAMES = 512
# What recorded keys and values of one batch may take.
CONTEXT_BYTES = 1 << 30
PREPARE_FRAMES = 64
TEXT_BATCH = 256


class VideoEncoder:
    """A vision tower, a frame method and, where the checkpoint has one, a text tower.

    Made by `load_model`. It keeps no state between calls: encoding the same frames twice gives the same vectors.
    """

    def __init__(
        self,
        trunk: VisionTransformer,
        method: FrameMethod,
        *,
        preparation: Preparation,
        fingerprint: Fingerprint,
        text: TextTransformer | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        self.trunk, self.method = trunk, method
        self.preparation, self.fingerprint = preparation, fingerprint
        self.text, self.tokenizer = text, tokenizer

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.trunk.class_token.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self.trunk.dtype

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.trunk.config.dim

    @property
    def reading(self) -> dict[str, Any]:
        """What `read_video` and `iter_video` should be asked for on behalf of this encoder, beside the sampling."""
        short_side = self.preparation.resize if self.preparation.scaler == "decoder" else None
        return {"motion": self.method.needs_motion, "short_side": short_side}

    def with_method(
        self, name: str, *, tokenizer: ResidualTokenizer | None = None, **settings: object
    ) -> "VideoEncoder":
        """The same weights behind another method.

        Args:
            name: as `load_model`'s method.
            tokenizer: for "residual"; default this encoder's own, if its method has one.
            **settings: of the method.

        Raises:
            CheckpointError: "residual" without a tokenizer.
            SettingsError: an unknown method or setting, or a value out of range.
        """
        tokenizer = tokenizer or getattr(self.method, "tokenizer", None)
        method = make_method(
            name, settings, std=self.preparation.std, tokenizer=tokenizer, model=self.fingerprint.model
        )
        fingerprint = replace(self.fingerprint, method=name, settings=method_settings(method))
        return VideoEncoder(
            self.trunk,
            method,
            preparation=self.preparation,
            fingerprint=fingerprint,
            text=self.text,
            tokenizer=self.tokenizer,
        )

    @overload
    def encode(self, clip: Clip, *, trace: Literal[False] = False) -> Features: ...
    @overload
    def encode(self, clip: Clip, *, trace: Literal[True]) -> tuple[Features, Trace]: ...
    def encode(self, clip: Clip, *, trace: bool = False) -> Features | tuple[Features, Trace]:
        """Features of a clip's frames.

        Args:
            clip: frames uint8 [t, y, x, 3] with times.
            trace: also return what was computed.

        Returns:
            `Features`, or `(Features, Trace)`.

        Raises:
            ValueError: the clip has no frames.
        """
        starts = range(0, len(clip), PREPARE_FRAMES)
        parts = (self.prepare(clip[start : start + PREPARE_FRAMES]) for start in starts)
        return self._encode_one(parts, trace)

    @overload
    def encode_pixels(
        self,
        pixels: Tensor,
        motion: Tensor | npt.NDArray[np.floating] | None = None,
        *,
        times_s: npt.NDArray[np.float64] | None = None,
        trace: Literal[False] = False,
    ) -> Features: ...
    @overload
    def encode_pixels(
        self,
        pixels: Tensor,
        motion: Tensor | npt.NDArray[np.floating] | None = None,
        *,
        times_s: npt.NDArray[np.float64] | None = None,
        trace: Literal[True],
    ) -> tuple[Features, Trace]: ...
    def encode_pixels(
        self,
        pixels: Tensor,
        motion: Tensor | npt.NDArray[np.floating] | None = None,
        *,
        times_s: npt.NDArray[np.float64] | None = None,
        trace: bool = False,
    ) -> Features | tuple[Features, Trace]:
        """Features of prepared frames.

        Args:
            pixels: normalised frames, float [t, 3, y, x], of the model's image size.
            motion: per pixel [t, y, x] (summed in each patch) or per patch [t, gy, gx], for select="motion".
            times_s: seconds, [t]; frame numbers if None.
            trace: also return what was computed.

        Returns:
            `Features`, or `(Features, Trace)`.

        Raises:
            ValueError: a shape is wrong, or there are no frames.
        """
        times = (
            np.arange(len(pixels), dtype=np.float64)
            if times_s is None
            else np.asarray(times_s, dtype=np.float64)
        )
        prepared = Prepared(pixels.float(), times, None if motion is None else self._per_patch(motion))
        return self._encode_one([prepared], trace)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Text vectors, L2-normalised float32 [n, d], comparable with the frames'.

        Raises:
            CheckpointError: the checkpoint has no text tower, or no tokenizer came with it.
        """
        if self.text is None:
            raise CheckpointError(
                f"{self.fingerprint.model} has no text tower; load a CLIP checkpoint to compare video with text"
            )
        if self.tokenizer is None:
            raise CheckpointError(
                "the checkpoint came without tokenizer files; pass load_model(..., tokenizer=PATH) with a "
                "tokenizer.json, a folder with vocab.json and merges.txt, or a bpe_simple_vocab file"
            )
        ids = self.tokenizer.encode(list(texts), self.text.config.context).to(self.device)
        with torch.inference_mode():
            return torch.cat([unit(self.text(part)).cpu() for part in torch.split(ids, TEXT_BATCH)])

    def prepare(self, clip: Clip) -> Prepared:
        """Resize, crop and normalise a clip; motion vectors are brought onto the patch grid."""
        motion = None
        if clip.motion is not None and self.method.needs_motion:
            grid = (self.trunk.config.grid, self.trunk.config.grid)
            motion = torch.from_numpy(
                patch_motion(clip.motion, clip.frames.shape[1:3], self.preparation, grid)
            )
        return Prepared(prepare_frames(clip.frames, self.preparation), clip.times_s, motion)

    def encode_stream(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features]]:
        """Encode blocks of many videos; batches are filled across videos, memory is bounded.

        Args:
            blocks: blocks of one video follow each other; the last one of each says so.

        Yields:
            A video's key and the features of its next frames, in order within each video.
        """
        for key, features, _ in self._run(blocks):
            yield key, features

    def _encode_one(self, parts: Iterable[Prepared], trace: bool) -> Features | tuple[Features, Trace]:
        size = self.trunk.config.image
        nothing = Prepared(torch.empty(0, 3, size, size), np.empty(0), None)

        def blocks() -> Iterator[Block]:
            for part in parts:
                yield Block(0, part, last=False)
            yield Block(0, nothing, last=True)

        results = [(features, traced) for _, features, traced in self._run(blocks())]
        if not results:
            raise ValueError("there are no frames to encode")
        features = Features.concatenate([features for features, _ in results])
        if not trace:
            return features
        return features, Trace.concatenate([traced for _, traced in results])

    def _run(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features, Trace]]:
        """The engine: cut, batch, encode, hand out."""
        frames = CPU_FRAMES if self.device.type == "cpu" else GPU_FRAMES
        groups = self._groups(frames)
        cutter: Cutter | None = None
        batch: list[tuple[Hashable, Segment]] = []
        carried: dict[Hashable, Anchor | None] = {}
        for block in blocks:
            if cutter is None:
                cutter = Cutter(
                    groups=groups, interleave=self.method.interleave, lookahead=self.method.lookahead
                )
            for segment in cutter.push(block):
                batch.append((block.video, segment))
                if sum(len(waiting.pixels) for _, waiting in batch) >= min(frames, cutter.step):
                    yield from self._encode_batch(batch, carried)
                    batch = []
            if block.last:
                cutter = None
        if batch:
            yield from self._encode_batch(batch, carried)

    def _groups(self, frames: int) -> int:
        """Groups in a segment: as many as `frames` allows and their recorded keys and values fit."""
        config = self.trunk.config
        groups = max(1, frames // (self.method.interleave + 1))
        if not self.method.records:
            return groups
        tokens = config.prefix + config.patches
        each = config.layers * tokens * 2 * config.width * self.dtype.itemsize
        return max(1, min(groups, CONTEXT_BYTES // each))

    def _encode_batch(
        self, batch: list[tuple[Hashable, Segment]], carried: dict[Hashable, Anchor | None]
    ) -> Iterator[tuple[Hashable, Features, Trace]]:
        segments = []
        for key, segment in batch:
            pixels = segment.pixels.to(self.device)
            continued = self.method.lookahead and segment.first > 0
            segments.append(
                replace(segment, pixels=pixels, carried=carried.pop(key, None) if continued else None)
            )
        with torch.inference_mode():
            encoded = self.method.encode(self.trunk, segments)
        carried.clear()
        for (key, segment), result in zip(batch, encoded, strict=True):
            carried[key] = result.closing
            yield key, *self._result(segment, result, skip=int(self.method.lookahead and segment.first > 0))

    def _result(self, segment: Segment, encoded: Encoded, *, skip: int) -> tuple[Features, Trace]:
        kinds = np.where(encoded.anchor_frames, "I", "P")
        features = Features(
            encoded.vectors[skip:].cpu(), segment.times_s[skip:], kinds[skip:], encoded.macs, self.fingerprint
        )
        frames = torch.from_numpy(np.flatnonzero(~encoded.anchor_frames)) + segment.first
        kept = torch.empty(len(frames), 0, dtype=torch.int64) if encoded.kept is None else encoded.kept.cpu()
        return features, Trace(frames, kept, encoded.scores)

    def _per_patch(self, motion: Tensor | npt.NDArray[np.floating]) -> Tensor:
        """Motion per pixel or per patch -> per patch [t, gy, gx], summed over pixels."""
        config = self.trunk.config
        motion = torch.as_tensor(motion).float()
        if motion.ndim == 3 and motion.shape[1:] == (config.grid, config.grid):
            return motion
        if motion.ndim == 3 and motion.shape[1:] == (config.image, config.image):
            return motion.view(-1, config.grid, config.patch, config.grid, config.patch).sum(dim=(2, 4))
        raise ValueError(
            f"expected motion [t, {config.image}, {config.image}] per pixel or [t, {config.grid}, {config.grid}] per "
            f"patch, received {list(motion.shape)}"
        )
