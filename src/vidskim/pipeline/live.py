"""Frames of one video as they come, one by one: a frame and a state in, features and the next state out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.methods.layout import Anchor, Segment
from vidskim.pipeline.engine import Engine
from vidskim.pipeline.features import Features
from vidskim.pipeline.stream import Prepared
from vidskim.video.prepare import Preparation, prepare_frames


@dataclass(frozen=True, eq=False)
class StreamState:
    """Where a stream stands between two frames: all that is remembered, as large after an hour as after a second.

    Nothing changes it in place. It can be kept, copied, pickled, and continued more than once.

    Args:
        fingerprint: of the encoder it belongs to.
        number: of the next frame.
        time_s: of the frame before it.
        held: the last I-frame and, where the method looks ahead, the frames that wait for the next one.
        anchor: what the last I-frame left behind, on the encoder's device.
        finished: nothing follows.
    """

    fingerprint: Fingerprint
    number: int = 0
    time_s: float = -np.inf
    held: Prepared | None = None
    anchor: Anchor | None = None
    finished: bool = False


class Stream:
    """One frame after the other, with the state in the caller's hands; made by `VideoEncoder.stream`.

    The features are those that `VideoEncoder.encode` gives for all the frames together, up to rounding. They come with
    their frame where the method only looks back ("full", "copy", "merge", "residual", and "reuse" with
    anchors="previous"); otherwise P-frames wait for the I-frame after them, and with a budget all frames for the end of
    the window that is planned, see `latency_frames`. There are no motion vectors in a stream: where `select` asks for
    them, patches are chosen by the change of their pixels.

        stream = model.stream()
        state = stream.start()
        for frame, time_s in frames:
            features, state = stream.step(state, frame, time_s)
        features, state = stream.finish(state)

    Multiply-accumulates too are those of `encode`, but for "residual": its token, which `encode` makes once for a
    group, is made again for each P-frame.

    Args:
        engine: the encoder's.
        preparation: from frames to pixels.
    """

    def __init__(self, engine: Engine, preparation: Preparation) -> None:
        self.engine, self.preparation = engine, preparation

    @property
    def latency_frames(self) -> int:
        """How many more frames must come, at most, until a frame's features are given; `finish` needs none."""
        method = self.engine.method
        return method.step - 1 + method.plans if method.lookahead else 0

    def start(self) -> StreamState:
        """The state before the first frame."""
        return StreamState(self.engine.fingerprint)

    def step(
        self, state: StreamState, frame: npt.NDArray[np.uint8], time_s: float
    ) -> tuple[Features, StreamState]:
        """Take the next frame.

        Args:
            state: as `start` or the last `step` gave it.
            frame: uint8 [y, x, 3], RGB as displayed.
            time_s: when it is shown, seconds; not before the last frame.

        Returns:
            Features of the frames that are ready, in order and perhaps none, and the state after this frame.

        Raises:
            SettingsError: the frame's type or shape is wrong, its time goes back, the stream is finished, or the state
                is another encoder's.
        """
        self._check(state)
        _check_frame(frame)
        if not np.isfinite(time_s):
            raise SettingsError(f"a frame's time is a finite number of seconds, received {time_s}")
        if time_s < state.time_s:
            raise SettingsError(
                f"times never fall: frame {state.number} came with {time_s} s after {state.time_s} s; another video "
                "starts with stream.start()"
            )
        method = self.engine.method
        new = Prepared(prepare_frames(frame[None], self.preparation), np.array([time_s], np.float64), None)
        is_anchor = state.number % method.step == 0
        before = None if is_anchor and not method.lookahead else state.held
        frames = new if before is None else Prepared.join(before, new)
        after = replace(state, number=state.number + 1, time_s=float(time_s))
        waits = not is_anchor or (method.plans and state.number == 0)
        if method.lookahead and waits:
            return self._nothing(), replace(after, held=frames)
        carried = None if before is None else state.anchor
        features, closing = self._encode(frames, after.number, carried, continues=is_anchor)
        return features, replace(after, held=new, anchor=closing) if is_anchor else after

    def finish(self, state: StreamState) -> tuple[Features, StreamState]:
        """Say that no frame follows.

        Args:
            state: as `start` or the last `step` gave it.

        Returns:
            Features of the frames that waited, perhaps none, and a state that takes no more frames.

        Raises:
            SettingsError: the stream is finished already, or the state is another encoder's.
        """
        self._check(state)
        features = self._nothing()
        encoded = int(state.anchor is not None)  # the I-frame's own frame is held too
        if self.engine.method.lookahead and state.held is not None and len(state.held) > encoded:
            features, _ = self._encode(state.held, state.number, state.anchor, continues=False)
        return features, replace(state, held=None, anchor=None, finished=True)

    def run(self, frames: Iterable[tuple[npt.NDArray[np.uint8], float]]) -> Iterator[Features]:
        """All steps of one video, from the start to the finish.

        Args:
            frames: frames uint8 [y, x, 3] with their times in seconds, as for `step`.

        Yields:
            Features of one frame or more, as soon as they are ready.

        Raises:
            SettingsError: as `step`.
        """
        state = self.start()
        for frame, time_s in frames:
            features, state = self.step(state, frame, time_s)
            if len(features):
                yield features
        features, _ = self.finish(state)
        if len(features):
            yield features

    def _encode(
        self, frames: Prepared, stop: int, carried: Anchor | None, *, continues: bool
    ) -> tuple[Features, Anchor | None]:
        """Features of the frames before number `stop`, a carried one apart, and what their last I-frame leaves."""
        segment = Segment(frames.pixels, frames.times_s, None, stop - len(frames), carried, continues)
        ((features, _, closing),) = self.engine.encode([segment])
        return features, closing

    def _nothing(self) -> Features:
        vectors = torch.empty(0, self.engine.trunk.config.dim)
        return Features(vectors, np.empty(0), np.empty(0, np.str_), 0, self.engine.fingerprint)

    def _check(self, state: StreamState) -> None:
        if state.finished:
            raise SettingsError(
                f"the stream was finished after {state.number} frames; start another with stream.start()"
            )
        if state.fingerprint != self.engine.fingerprint:
            changed = "; ".join(state.fingerprint.differences(self.engine.fingerprint))
            raise SettingsError(
                f"this state is another encoder's ({changed}); take one from this stream's start()"
            )


def _check_frame(frame: npt.NDArray[np.uint8]) -> None:
    if not isinstance(frame, np.ndarray):
        raise SettingsError(f"a frame is an array uint8 [y, x, 3], received {type(frame).__name__}")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3 or not frame.size:
        raise SettingsError(f"a frame is uint8 [y, x, 3], received {frame.dtype} {list(frame.shape)}")
