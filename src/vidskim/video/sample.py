"""Which frames are wanted, by their timestamps alone.

The rule, for every way of reading: at time t the frame shown is the last one whose timestamp is at or before t; before
the first frame it is the first frame. Times are the file's own clock, which may not start at 0.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError

Ticks = npt.NDArray[np.int64]
Frame = TypeVar("Frame")
NO_STAMP = -(2**63)  # a packet without a timestamp
_CLOSE = 1e-4  # ticks; a time this little before a frame counts as at the frame


@dataclass(frozen=True)
class Request:
    """Which frames to give: every frame, `fps` of them a second, or one for each of `times_s`.

    Args:
        fps: frames per second, above 0. The grid starts at the video's first frame.
        times_s: seconds on the file's clock, never decreasing.
        start_s: for the first two ways: leave out what is before this time on the file's clock.
        end_s: leave out what is at or after this time.
    """

    fps: float | None = None
    times_s: Sequence[float] | None = None
    start_s: float | None = None
    end_s: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise SettingsError(f"fps must be a finite number above 0, received {self.fps}")
        for name in ("start_s", "end_s"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise SettingsError(f"{name} must be a finite number of seconds, received {value}")
        if self.start_s is not None and self.end_s is not None and self.start_s >= self.end_s:
            raise SettingsError(f"start_s must be below end_s, received {self.start_s} and {self.end_s}")
        if self.times_s is not None:
            self._check_times(np.asarray(self.times_s, dtype=np.float64))

    @property
    def is_span(self) -> bool:
        """Whether every frame between two times is wanted."""
        return self.fps is None and self.times_s is None

    @property
    def is_everything(self) -> bool:
        """Whether every frame of the video is wanted."""
        return self.is_span and self.start_s is None and self.end_s is None

    def _check_times(self, times: npt.NDArray[np.float64]) -> None:
        if self.fps is not None or self.start_s is not None or self.end_s is not None:
            raise SettingsError("times_s names the frames by itself; leave out fps, start_s and end_s")
        if times.ndim != 1 or times.size == 0:
            raise SettingsError(
                f"times_s must be a list of one or more seconds, received shape {times.shape}"
            )
        if not np.isfinite(times).all():
            raise SettingsError(f"times_s must be finite, received {times[~np.isfinite(times)][0]}")
        back = np.flatnonzero(np.diff(times) < 0)
        if back.size:
            at = int(back[0])
            raise SettingsError(f"times_s must not decrease, received {times[at]} before {times[at + 1]}")


@dataclass(frozen=True, eq=False)
class Timeline:
    """The packets of a stream in decode order, learned without decoding.

    Args:
        pts: int64 [n], ticks. If not `trusted`, any increasing numbers that will be given to frames in display order.
        is_key: bool [n], decoding may start here.
        is_shown: bool [n], false for packets an edit list discards.
        tick_s: seconds per tick.
        trusted: packets and frames can be matched by their timestamps.
        rough_gap: ticks between frames by the header; used when there is one frame only.
    """

    pts: Ticks
    is_key: npt.NDArray[np.bool_]
    is_shown: npt.NDArray[np.bool_]
    tick_s: float
    trusted: bool
    rough_gap: int = 1

    @classmethod
    def from_packets(
        cls,
        pts: Ticks,
        dts: Ticks,
        *,
        is_key: npt.NDArray[np.bool_],
        is_discard: npt.NDArray[np.bool_],
        tick_s: float,
        rough_gap: int,
        pts_are_display_times: bool = True,
    ) -> "Timeline":
        """Take the timestamps as they are if they make sense, else make an increasing row out of what is there."""
        distinct = [len(np.unique(stamps)) == len(stamps) and NO_STAMP not in stamps for stamps in (pts, dts)]
        rest = is_key, ~is_discard, tick_s
        if distinct[0] and pts_are_display_times:
            return cls(pts, *rest, True, rough_gap)
        for stamps, usable in zip((pts, dts), distinct, strict=True):
            if usable:
                return cls(np.sort(stamps), *rest, False, rough_gap)
        known = np.concatenate([pts, dts])
        known = known[known != NO_STAMP]
        first = int(known.min()) if len(known) else 0
        counted = first + rough_gap * np.arange(len(pts), dtype=np.int64)
        return cls(counted, *rest, False, rough_gap)

    @cached_property
    def shown(self) -> Ticks:
        """Timestamps of the frames that are shown, in display order."""
        shown: Ticks = np.sort(self.pts[self.is_shown])
        return shown

    @property
    def gap(self) -> int:
        """Usual distance between frames, ticks: the median."""
        if len(self.shown) < 2:
            return max(self.rough_gap, 1)
        return max(int(np.median(np.diff(self.shown))), 1)

    @property
    def end(self) -> int:
        """Where the last frame ends, ticks."""
        return int(self.shown[-1]) + self.gap


def choose_frames(request: Request, timeline: Timeline) -> Ticks:
    """Timestamps of the wanted frames in display order, ticks.

    With `fps` and without settings each frame comes at most once, so a source slower than `fps` gives what it has. With
    `times_s` there is exactly one for each time, so a frame may be repeated. May be empty.
    """
    shown, tick_s = timeline.shown, timeline.tick_s
    if not len(shown):
        return shown
    if request.times_s is not None:
        wanted = np.floor(np.asarray(request.times_s, dtype=np.float64) / tick_s + _CLOSE)
        places = np.searchsorted(shown, wanted, side="right") - 1
        at_times: Ticks = shown[np.maximum(places, 0)]
        return at_times
    start = -math.inf if request.start_s is None else request.start_s / tick_s
    end = math.inf if request.end_s is None else request.end_s / tick_s
    if request.fps is None:
        within: Ticks = shown[(shown >= start - _CLOSE) & (shown < end - _CLOSE)]
        return within
    # Grid time k is shown by frame i if it lies in [shown[i], shown[i + 1]). Count the grid times before each edge.
    step = 1.0 / (request.fps * tick_s)
    edges = np.append(shown, timeline.end)
    before = np.ceil((edges - shown[0]) / step - _CLOSE / step)
    first, last = (np.ceil((bound - shown[0]) / step - _CLOSE / step) for bound in (start, end))
    before = np.clip(before, max(first, 0), max(last, 0, first))
    sampled: Ticks = shown[before[1:] > before[:-1]]
    return sampled


def pick_frames(
    frames: Iterable[tuple[int, Frame]], targets: Ticks, *, repeat: bool
) -> Iterator[tuple[int, int, Frame]]:
    """The frames shown at the targets. If a target is missing, the last frame before it takes its place.

    Args:
        frames: (ticks, frame) in display order.
        targets: ticks, never decreasing.
        repeat: give one frame for each target, even the same one again; else each frame at most once.

    Yields:
        (ticks, place among `frames`, frame)
    """
    done, given = 0, -1
    shown: tuple[int, int, Frame] | None = None
    for place, (ticks, frame) in enumerate(frames):
        now = (ticks, place, frame)
        while done < len(targets) and targets[done] <= ticks:
            choice = now if shown is None or targets[done] == ticks else shown
            if repeat or choice[1] != given:
                yield choice
            given = choice[1]
            done += 1
        shown = now
    for _ in targets[done:]:
        if shown is not None and (repeat or shown[1] != given):
            yield shown
            given = shown[1]


def keep_span(
    frames: Iterable[tuple[int, Frame]], first: int, last: int, *, most: int
) -> Iterator[tuple[int, int, Frame]]:
    """The frames from `first` to `last` ticks, both included, `most` of them at most; as `pick_frames` gives them."""
    count = 0
    for place, (ticks, frame) in enumerate(frames):
        if first <= ticks <= last and count < most:
            count += 1
            yield ticks, place, frame
