"""VideoEncoder: clips in, features out, through one engine that fills batches across videos."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.methods.frames import FrameMethod
from vidskim.methods.registry import make_method, method_settings
from vidskim.methods.residual import ResidualTokenizer, Student
from vidskim.models.adapter import Adapter
from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.vit import VisionTransformer
from vidskim.pipeline.engine import Engine
from vidskim.pipeline.features import Features, Trace
from vidskim.pipeline.live import Stream
from vidskim.pipeline.stream import Block, Prepared, motion_per_patch
from vidskim.pipeline.text import TextEncoder
from vidskim.video.clip import Clip
from vidskim.video.motion import patch_motion
from vidskim.video.prepare import Preparation, prepare_frames

PREPARE_FRAMES = 64


class TrunkEncoder:
    """What encoders of frames and of whole videos have in common: a vision tower."""

    trunk: VisionTransformer

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


class VideoEncoder(TrunkEncoder):
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
        student: Student | None = None,
        min_score: float | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        self.trunk, self.method = trunk, method
        self.between = method.between(trunk.config)  # what P-frames are encoded with
        self.preparation, self.fingerprint = preparation, fingerprint
        self.text, self.tokenizer = text, tokenizer
        self.residual_tokenizer, self.student = residual_tokenizer, student
        self.min_score = min_score  # cosine of text and frame below which nothing matches, where it is known
        self.adapter = adapter  # what is inside the weights, if anything

    def __repr__(self) -> str:
        config = ", ".join(f"{name}={value!r}" for name, value in self.fingerprint.settings.items())
        return f"VideoEncoder({self.fingerprint.model}, {self.method.name}({config}), {self.dtype}, {self.device})"

    @property
    def reading(self) -> dict[str, Any]:
        """What `read_video` and `iter_video` should be asked for on behalf of this encoder, beside the sampling."""
        short_side = self.preparation.reading_side
        return {"motion": self.method.asks_motion, "short_side": short_side}

    @property
    def texts(self) -> TextEncoder:
        """What encodes texts."""
        return TextEncoder(
            self.text,
            self.tokenizer,
            model=self.fingerprint.model,
            dim=self.dim,
            weights=self.fingerprint.weights,
            min_score=self.min_score,
            words=self.adapter.words if self.adapter else None,
        )

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
            name,
            settings,
            std=self.preparation.std,
            tokenizer=tokenizer,
            student=self.student,
            model=self.fingerprint.model,
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
            student=self.student,
            min_score=self.min_score,
            adapter=self.adapter,
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
        if not isinstance(clip, Clip):
            raise SettingsError(f"encode takes a Clip, as read_video gives; received {type(clip).__name__}")
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
        pixels = torch.as_tensor(pixels)
        side = self.trunk.config.image
        if pixels.shape[1:] != (3, side, side):
            raise SettingsError(f"expected pixels [t, 3, {side}, {side}], received {list(pixels.shape)}")
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
            pixels.float(), times, None if motion is None else motion_per_patch(motion, self.between)
        )
        return self._encode_one([prepared], trace)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Text vectors, L2-normalised float32 [n, d], comparable with the frames'.

        Raises:
            CheckpointError: the checkpoint has no text tower, or no tokenizer came with it.
        """
        return self.texts.encode_text(texts)

    def prepare(self, clip: Clip) -> Prepared:
        """Resize, crop and normalise a clip; motion vectors are brought onto the patch grid.

        Raises:
            SettingsError: the method chooses by motion of the other kind, signed or not.
        """
        motion = None
        if clip.motion is not None and self.method.uses_motion:
            if clip.signed != (self.method.asks_motion == "signed"):
                kinds = ("of lengths", "signed")
                raise SettingsError(
                    f"the method takes motion {kinds[not clip.signed]}, this clip's is {kinds[clip.signed]}; "
                    f"read it with motion={self.method.asks_motion!r}"
                )
            grid = (self.between.grid, self.between.grid)
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
        for key, features, _ in self.trace_stream(blocks):
            yield key, features

    def trace_stream(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features, Trace]]:
        """As `encode_stream`, with what was computed."""
        return Engine(self.trunk, self.method, self.fingerprint).run(blocks)

    def stream(self) -> Stream:
        """Encode one video's frames as they come, one by one; see `Stream`."""
        return Stream(Engine(self.trunk, self.method, self.fingerprint), self.preparation)

    def _encode_one(self, parts: Iterable[Prepared], trace: bool) -> Features | tuple[Features, Trace]:
        size = self.trunk.config.image
        nothing = Prepared(torch.empty(0, 3, size, size), np.empty(0), None)

        def blocks() -> Iterator[Block]:
            for part in parts:
                yield Block(0, part, last=False)
            yield Block(0, nothing, last=True)

        results = [
            (features, traced if trace else None) for _, features, traced in self.trace_stream(blocks())
        ]
        if not results:
            raise SettingsError("there are no frames to encode")
        features = Features.concatenate([features for features, _ in results])
        if not trace:
            return features
        return features, Trace.concatenate([traced for _, traced in results if traced is not None])
