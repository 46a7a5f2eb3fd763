"""Vectors of segments and of the whole video, made of the frames that are on their way to a frame encoder.

A video is decoded and prepared once. Its sampled frames fall into windows of `segment_s` seconds, counted from its
first frame; of each window, and of the whole video, as many frames as the plan has are spread evenly and encoded
together, as the published model does with a whole video. Memory is bounded: at most `HELD` times as many frames of a
window, and of the video, are held, in even steps that grow with its length.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features
from vidskim.pipeline.flow import Encoder
from vidskim.pipeline.retrieval import RetrievalEncoder
from vidskim.pipeline.stream import Block, Prepared
from vidskim.store.records import Floats, LevelVectors, Vectors
from vidskim.video.clip import Clip
from vidskim.video.prepare import Preparation

SEGMENT_S = 10.0
HELD = 4  # times the plan's frames; even, so that thinning out keeps the steps even
_FRAMES_AT_ONCE = 96  # of the windows that are encoded together


class Thinned:
    """Frames of a stretch of video in even steps, of which `HELD * frames` are held at most.

    Once there are more, every second one goes and the step doubles. Which ones stay does not depend on how they come.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._held: list[Tensor] = []
        self._step, self._seen = 1, 0

    def push(self, frame: Tensor) -> None:
        """The next frame, [3, y, x]."""
        if self._seen % self._step == 0:
            if len(self._held) == HELD * self._frames:
                self._held = self._held[::2]
                self._step *= 2
            if self._seen % self._step == 0:
                self._held.append(frame.clone())  # a view would keep the whole block in memory
        self._seen += 1

    def pick(self) -> Tensor:
        """As many as wanted, spread evenly, [frames, 3, y, x]; fewer are repeated."""
        rows = np.linspace(0, len(self._held) - 1, self._frames).astype(np.int64)
        return torch.stack([self._held[row] for row in rows])


class Segmenter:
    """A retrieval model, and how videos are cut for it.

    Args:
        model: gives a vector of several frames.
        preparation: of the frames that come.
        segment_s: seconds of a segment.
        origin: how to get the model again, as arguments of `load_model`, plain JSON.

    Raises:
        SettingsError: the length is out of range, or the model wants frames prepared in another way.
    """

    def __init__(
        self,
        model: RetrievalEncoder,
        *,
        preparation: Preparation,
        segment_s: float = SEGMENT_S,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        if not (np.isfinite(segment_s) and segment_s > 0):
            raise SettingsError(f"segment_s must be above 0 seconds, received {segment_s}")
        theirs, ours = model.preparation.to_dict(), preparation.to_dict()
        if different := [
            f"{name} {ours[name]} and {theirs[name]}" for name in ours if ours[name] != theirs[name]
        ]:
            raise SettingsError(
                "frames are decoded and prepared once, so the retrieval model must take them as the frame model does; "
                f"the two differ in {', '.join(different)}: choose a retrieval model of the same input"
            )
        self.model, self.segment_s = model, float(segment_s)
        self.origin: dict[str, Any] = {**(origin or {}), "segment_s": self.segment_s}

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the model with its adapter and plan, and the length of a segment."""
        own = self.model.fingerprint
        return replace(own, settings={**own.settings, "segment_s": self.segment_s})


class SegmentingEncoder:
    """A frame encoder whose frames are gathered on their way; it computes what it did before.

    Args:
        frames: the encoder.
        segmenter: for what is gathered.
    """

    def __init__(self, frames: Encoder, segmenter: Segmenter) -> None:
        self._frames, self._segmenter = frames, segmenter
        self._done: dict[Hashable, tuple[Floats, Vectors]] = {}  # as `_Gathering.finish` gives

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the frame encoder."""
        return self._frames.fingerprint

    @property
    def reading(self) -> dict[str, Any]:
        """What the frame encoder asks `iter_video` for."""
        return self._frames.reading

    @property
    def dtype(self) -> Any:
        """The frame encoder's type of weights."""
        return self._frames.dtype

    def prepare(self, clip: Clip) -> Prepared:
        """As the frame encoder does."""
        return self._frames.prepare(clip)

    def encode_stream(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features]]:
        """As the frame encoder does; `take` gives the rest."""
        return self._frames.encode_stream(self._gather(blocks))

    def take(self, video: Hashable, *, end_s: float) -> tuple[LevelVectors, int]:
        """What came of a video whose last frames were encoded, once; and the multiply-accumulates it took.

        A segment lasts until the next one, the last one until the end of the video.
        """
        starts, vectors = self._done.pop(video)
        ends = np.append(starts[1:], end_s)
        levels = LevelVectors(vectors[:-1], starts, ends, vectors[-1], self._segmenter.fingerprint)
        return levels, len(vectors) * self._segmenter.model.plan().macs

    def _gather(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Blocks as they come, looked at before they go on."""
        gathering: dict[Hashable, _Gathering] = {}
        for block in blocks:
            video = gathering.setdefault(block.video, _Gathering(self._segmenter))
            video.push(block.prepared)
            if block.last and gathering.pop(block.video).starts:
                self._done[block.video] = video.finish()
            yield block


@dataclass
class _Gathering:
    """One video on its way."""

    segmenter: Segmenter
    starts: list[float] = field(default_factory=list)
    windows: list[Tensor] = field(default_factory=list)  # cut and not encoded yet
    vectors: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.whole, self.window = self._thinned(), self._thinned()
        self.number = -1

    def push(self, prepared: Prepared) -> None:
        """The next frames."""
        for frame, at_s in zip(prepared.pixels, prepared.times_s.tolist(), strict=True):
            first_s = self.starts[0] if self.starts else at_s
            number = int((at_s - first_s) // self.segmenter.segment_s)
            if number != self.number:
                self._close()
                self.number = number
                self.starts.append(at_s)
            self.window.push(frame)
            self.whole.push(frame)

    def finish(self) -> tuple[Floats, Vectors]:
        """Everything has come: when each segment's first frame was, [s], and vectors [s + 1, d], the whole's last."""
        self._close()
        self.windows.append(self.whole.pick())
        self._encode()
        return np.array(self.starts), torch.cat(self.vectors).numpy()

    def _thinned(self) -> Thinned:
        return Thinned(self.segmenter.model.frames)

    def _close(self) -> None:
        if self.number < 0:
            return
        self.windows.append(self.window.pick())
        self.window = self._thinned()
        if len(self.windows) * self.segmenter.model.frames >= _FRAMES_AT_ONCE:
            self._encode()

    def _encode(self) -> None:
        self.vectors.append(self.segmenter.model.encode_video(torch.stack(self.windows)))
        self.windows.clear()
