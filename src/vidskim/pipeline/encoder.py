"""VideoEncoder: clips in, features out, through one engine that fills batches across videos."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.methods.frames import Encoded, FrameMethod
from vidskim.methods.layout import Anchor, Segment
from vidskim.methods.registry import make_method, method_settings
from vidskim.methods.residual import ResidualTokenizer
from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.vit import VisionTransformer, unit
from vidskim.pipeline.features import Features, Trace
from vidskim.pipeline.stream import Block, Cutter, Prepared, motion_per_patch
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
        residual_tokenizer: ResidualTokenizer | None = None,
    ) -> None:
        self.trunk, self.method = trunk, method
        self.preparation, self.fingerprint = preparation, fingerprint
        self.text, self.tokenizer = text, tokenizer
        self.residual_tokenizer = residual_tokenizer

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
        return {"motion": self.method.asks_motion, "short_side": short_side}

    def with_method(
        self, name: str, *, tokenizer: ResidualTokenizer | None = None, **settings: object
    ) -> "VideoEncoder":
        """The same weights behind another method.

        Args:
            name: as `load_model`'s method.
            tokenizer: for "residual"; default the checkpoint's own, if it has one.
            **settings: of the method.

        Raises:
            CheckpointError: "residual" without a tokenizer.
            SettingsError: an unknown method or setting, or a value out of range.
        """
        tokenizer = self.residual_tokenizer if tokenizer is None else tokenizer.to(self.device)
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
            residual_tokenizer=tokenizer,
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
            SettingsError: a shape is wrong, or there are no frames.
        """
        if not pixels.is_floating_point():
            raise SettingsError(
                f"pixels must be normalised floats, received {pixels.dtype}; VideoEncoder.prepare makes them"
            )
        times = (
            np.arange(len(pixels), dtype=np.float64)
            if times_s is None
            else np.asarray(times_s, dtype=np.float64)
        )
        prepared = Prepared(
            pixels.float(), times, None if motion is None else motion_per_patch(motion, self.trunk.config)
        )
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
        ids = self.tokenizer.encode(texts, self.text.config.context).to(self.device)
        with torch.inference_mode():
            parts = [unit(self.text(part)).cpu() for part in torch.split(ids, TEXT_BATCH) if len(part)]
        return torch.cat([torch.empty(0, self.dim), *parts])

    def prepare(self, clip: Clip) -> Prepared:
        """Resize, crop and normalise a clip; motion vectors are brought onto the patch grid."""
        motion = None
        if clip.motion is not None and self.method.uses_motion:
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
            raise SettingsError("there are no frames to encode")
        features = Features.concatenate([features for features, _ in results])
        if not trace:
            return features
        return features, Trace.concatenate([traced for _, traced in results])

    def _run(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features, Trace]]:
        """The engine: cut, batch, encode, hand out."""
        method = self.method
        most_frames, most_anchors = self._bounds()
        groups = max(1, min(most_frames // (method.interleave + 1), most_anchors - method.lookahead))
        cutter: Cutter | None = None
        batch: list[tuple[Hashable, Segment]] = []
        frames = anchors = 0
        carried: dict[Hashable, Anchor | None] = {}
        for block in blocks:
            cutter = cutter or Cutter(groups=groups, interleave=method.interleave, lookahead=method.lookahead)
            for segment in cutter.push(block):
                batch.append((block.video, segment))
                frames += len(segment.pixels)
                anchors += -(-len(segment.pixels) // (method.interleave + 1)) + method.lookahead
                if segment.continues or frames >= most_frames or anchors >= most_anchors:
                    yield from self._encode_batch(batch, carried)
                    batch, frames, anchors = [], 0, 0
            if block.last:
                cutter = None
        if batch:
            yield from self._encode_batch(batch, carried)

    def _bounds(self) -> tuple[int, int]:
        """Frames and I-frames after which a batch is full; I-frames because their keys and values are recorded."""
        frames = CPU_FRAMES if self.device.type == "cpu" else GPU_FRAMES
        if not self.method.records:
            return frames, frames
        config = self.trunk.config
        tokens = config.prefix + config.patches
        return frames, max(
            2, CONTEXT_BYTES // (config.layers * tokens * 2 * config.width * self.dtype.itemsize)
        )

    def _encode_batch(
        self, batch: list[tuple[Hashable, Segment]], carried: dict[Hashable, Anchor | None]
    ) -> Iterator[tuple[Hashable, Features, Trace]]:
        segments = [
            replace(segment, pixels=segment.pixels.to(self.device), carried=carried.pop(key, None))
            for key, segment in batch
        ]
        with torch.inference_mode():
            encoded = self.method.encode(self.trunk, segments)
        for (key, segment), result in zip(batch, encoded, strict=True):
            if result.closing is not None:
                carried[key] = result.closing
            yield key, *self._result(segment, result, skip=int(self.method.lookahead and segment.first > 0))

    def _result(self, segment: Segment, encoded: Encoded, *, skip: int) -> tuple[Features, Trace]:
        kinds = np.where(encoded.anchor_frames, "I", "P")
        features = Features(
            encoded.vectors[skip:].cpu().clone(),
            segment.times_s[skip:],
            kinds[skip:],
            encoded.macs,
            self.fingerprint,
        )
        frames = torch.from_numpy(np.flatnonzero(~encoded.anchor_frames)) + segment.first
        kept = torch.empty(len(frames), 0, dtype=torch.int64) if encoded.kept is None else encoded.kept.cpu()
        return features, Trace(frames, kept, encoded.scores)
