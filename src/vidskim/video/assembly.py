"""The second pass: decode as planned, pick the wanted frames, gather them and their motion into Clips."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vidskim.errors import NoFramesError, SettingsError
from vidskim.video.clip import Clip, Health
from vidskim.video.container import DecodedFrame, Index, Tally, open_video
from vidskim.video.decoder import HIDDEN_CODECS, Painter, decode_packets, motion_drawer, orientation_of
from vidskim.video.guard import Limits, check_memory
from vidskim.video.motion import Map, MotionWindow
from vidskim.video.plan import Plan
from vidskim.video.sample import Request, Ticks, keep_span, pick_frames


@dataclass(frozen=True)
class Settings:
    """Everything a caller of `read_video` may set, checked; `straight` forces decoding of every frame."""

    path: str
    request: Request
    motion: bool | Literal["signed"] | None
    short_side: int | None
    strict: bool
    max_bytes: int
    limits: Limits
    threads: int
    straight: bool = False

    def __post_init__(self) -> None:
        if self.motion not in (True, False, None, "signed"):
            raise SettingsError(f'motion must be True, False, None or "signed", received {self.motion!r}')
        if self.short_side is not None and self.short_side < 1:
            raise SettingsError(f"short_side must be 1 or more pixels, received {self.short_side}")
        if self.max_bytes < 1:
            raise SettingsError(f"max_bytes must be 1 or more, received {self.max_bytes}")
        if self.threads < 0:
            raise SettingsError(f"threads must be 0 (automatic) or more, received {self.threads}")


@dataclass(frozen=True, eq=False)
class Job:
    """What will be read, decided from the packets alone.

    Args:
        targets: timestamps of the wanted frames, ticks.
        with_motion: every frame is decoded, and the codec has motion vectors.
        tally: counts, growing with the reading.
        given_until: ticks of the last frame that was given already, or None.
    """

    settings: Settings
    index: Index
    targets: Ticks
    plan: Plan
    with_motion: bool
    tally: Tally
    given_until: int | None = None

    @property
    def threads(self) -> int:
        """Decoder threads: one if damage is known, since several lose frames near it and fill it differently."""
        damaged = self.index.truncated or self.index.tally.packets_bad > 0
        return 1 if damaged else self.settings.threads

    @property
    def is_unsure(self) -> bool:
        """Whether damage was met, and one thread decoding everything could do better."""
        tally, plainest = self.tally, self.plan.strategy == "straight" and self.threads == 1
        hidden = self.index.info.codec in HIDDEN_CODECS
        met = tally.packets_bad or tally.frames_corrupt or (tally.frames_missing and not hidden)
        return bool(met) and not plainest

    def health(self) -> Health:
        """How the reading went so far."""
        timeline, tally = self.index.timeline, self.tally
        problem = tally.first_problem
        if self.index.truncated and problem is None:
            problem = f"after frame {tally.frames_decoded}: the stream ends before its header says"
        return Health(
            strategy=self.plan.strategy,
            packets_total=len(timeline.pts),
            packets_decoded=tally.packets_decoded,
            packets_bad=tally.packets_bad,
            frames_decoded=tally.frames_decoded,
            frames_corrupt=tally.frames_corrupt,
            truncated=self.index.truncated,
            last_time_s=float(timeline.shown[-1] * timeline.tick_s),
            expected_end_s=self.index.expected_end_s,
            first_problem=problem,
        )


@dataclass(frozen=True, eq=False)
class _Picture:
    """One wanted frame, displayed; `place` is its number among the decoded ones."""

    ticks: int
    place: int
    pixels: npt.NDArray[np.uint8]


def decode_clips(job: Job, *, block: int) -> Iterator[Clip]:
    """Clips of up to `block` frames; one or more. The health of the last one is complete.

    Raises:
        NoFramesError: not one of the wanted frames came out.
    """
    part, left = None, len(job.targets)
    for picture, motion in _with_motion(job):
        if part is not None and part.is_full:
            yield part.clip()
            left -= block
            part = None
        part = part or _Part(job, min(block, left), picture.pixels.shape)
        part.add(picture, motion)
    if part is None and job.given_until is None:
        problem = job.tally.first_problem or "the decoder gave none"
        raise NoFramesError(f"no frames ({problem})", path=job.settings.path)
    if part is not None:
        yield part.clip()


def _with_motion(job: Job) -> Iterator[tuple[_Picture, Map | None]]:
    """Each picture, as soon as the motion of the frames around it is known."""
    if not job.with_motion:
        for picture in _pictures(job, None):
            yield picture, None
        return
    window = MotionWindow()
    waiting: deque[_Picture] = deque()
    for picture in _pictures(job, window):
        waiting.append(picture)
        while waiting and window.is_ready(waiting[0].place):
            ready = waiting.popleft()
            yield ready, window.take(ready.place)
    window.finish()
    for picture in waiting:
        yield picture, window.take(picture.place)


class _Part:
    """Frames of one Clip being gathered."""

    def __init__(self, job: Job, count: int, shape: tuple[int, ...]) -> None:
        height, width, _ = shape
        check_memory(count, height, width, max_bytes=job.settings.max_bytes, path=job.settings.path)
        # Reserved for all, but memory is only used up as frames are written.
        self._frames = np.empty((count, height, width, 3), np.uint8)
        self._ticks: list[int] = []
        self._motion: list[Map] = []
        self._job = job

    @property
    def is_full(self) -> bool:
        return len(self._ticks) == len(self._frames)

    def add(self, picture: _Picture, motion: Map | None) -> None:
        self._frames[len(self._ticks)] = picture.pixels
        self._ticks.append(picture.ticks)
        if motion is not None:
            self._motion.append(motion)

    def clip(self) -> Clip:
        times_s = np.array(self._ticks, np.float64) * self._job.index.timeline.tick_s
        motion = np.stack(self._motion) if self._motion else None
        signed = self._job.settings.motion == "signed"
        return Clip(self._frames[: len(self._ticks)], times_s, motion, self._job.health(), signed=signed)


def _pictures(job: Job, window: MotionWindow | None) -> Iterator[_Picture]:
    """The wanted frames in display order; with a window, also every frame's motion is put into it."""
    settings = job.settings
    opened = open_video(settings.path, settings.limits, threads=job.threads, motion=window is not None)
    with opened as (container, stream):
        frames = _timed(decode_packets(container, stream, job.plan, job.tally), job)
        if window is not None:
            frames = _watched(frames, window, signed=settings.motion == "signed")
        painter: Painter | None = None
        previous: _Picture | None = None
        for ticks, place, frame in _wanted(frames, job):
            if painter is None:
                painter = Painter(frame, short_side=settings.short_side, threads=settings.threads)
                cause = f"short_side {settings.short_side} makes " if settings.short_side else ""
                settings.limits.check_size(*painter.size[::-1], settings.path, cause=cause)
            if previous is None or previous.place != place:
                previous = _Picture(ticks, place, painter.paint(frame))
            if window is not None:
                window.ask(place)
            yield previous


def _wanted(frames: Iterator[tuple[int, DecodedFrame]], job: Job) -> Iterator[tuple[int, int, DecodedFrame]]:
    request, targets = job.settings.request, job.targets
    if request.is_span:
        return keep_span(frames, int(targets[0]), int(targets[-1]), most=len(targets))
    picked = pick_frames(frames, targets, repeat=request.times_s is not None)
    if job.given_until is None or request.times_s is not None:
        return picked
    return (wanted for wanted in picked if wanted[0] > job.given_until)


def _timed(frames: Iterator[DecodedFrame], job: Job) -> Iterator[tuple[int, DecodedFrame]]:
    """Each frame with its timestamp; frames whose time goes backwards are dropped and counted."""
    timeline, tally = job.index.timeline, job.tally
    last: int | None = None
    for place, frame in enumerate(frames):
        job.settings.limits.check_size(frame.width, frame.height, job.settings.path)
        job.settings.limits.check_length(place + 1, None, job.settings.path)
        ticks = frame.pts if frame.pts is not None else frame.dts
        if not timeline.trusted and place < len(timeline.shown):
            ticks = int(timeline.shown[place])
        elif not timeline.trusted or ticks is None:
            ticks = (last if last is not None else int(timeline.shown[0])) + timeline.gap
        if last is not None and ticks < last:
            tally.frames_corrupt += 1
            tally.note("a frame's time goes backwards")
            continue
        last = ticks
        yield ticks, frame


def _watched(
    frames: Iterator[tuple[int, DecodedFrame]], window: MotionWindow, *, signed: bool
) -> Iterator[tuple[int, DecodedFrame]]:
    orientation = None
    for ticks, frame in frames:
        orientation = orientation or orientation_of(frame)
        window.add(motion_drawer(frame, orientation, signed=signed))
        yield ticks, frame
