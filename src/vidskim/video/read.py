"""Video files to Clips: every frame, so many a second, or the frames at given times.

The file is gone through twice. The first pass reads packets without decoding and learns all timestamps; from them
follow the wanted frames (`sample.py`) and the cheapest way to decode them (`plan.py`). The second pass decodes packet
by packet, keeps what is good and counts what is bad.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from vidskim.errors import DamagedVideoError, NoFramesError, SettingsError
from vidskim.video.assembly import Job, Settings, decode_clips
from vidskim.video.clip import Clip, Health, VideoInfo
from vidskim.video.container import Index, open_video, read_index, read_info
from vidskim.video.decoder import MOTION_CODECS, NONREF_CODECS, first_frame, orientation_of
from vidskim.video.geometry import fit_short_side
from vidskim.video.guard import DEFAULT_MAX_BYTES, Limits, check_memory, frames_within
from vidskim.video.motion import REACH
from vidskim.video.plan import plan_packets
from vidskim.video.sample import Request, Ticks, choose_frames

_MIN_SKIP = 8  # packets; skipping fewer saves less than emptying the decoder costs


def read_video(
    path: str | os.PathLike[str],
    fps: float | None = None,
    *,
    times_s: Sequence[float] | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    motion: bool | Literal["signed"] | None = None,
    short_side: int | None = None,
    strict: bool = False,
    max_bytes: int = DEFAULT_MAX_BYTES,
    limits: Limits | None = None,
    threads: int = 0,
) -> Clip:
    """Read frames of a video into one Clip: every frame, `fps` of them a second, or one for each of `times_s`.

    The frame at time t is the last one whose timestamp is at or before t (before the first frame: the first).
    With `fps`, t runs from the first frame's timestamp to the last frame's end, and a frame comes at most once, also
    if the source is slower. With `times_s` there is exactly one frame for each time.

    Args:
        path: a local file.
        fps: frames per second.
        times_s: seconds on the file's own clock, never decreasing.
        start_s: leave out what is before this time on the file's clock. Not with `times_s`.
        end_s: leave out what is at or after this time. Not with `times_s`.
        motion: True decodes every frame and gives motion maps if the codec has motion vectors; "signed" too, and the
            maps say which way (see `Clip`); None gives them if every frame is decoded anyway; False never.
        short_side: let the decoder's scaler (bicubic) make the shorter side this long; much faster than resizing
            later, and nearly equal. None keeps the stored resolution.
        strict: raise DamagedVideoError if anything was bad. Its attribute `clip` holds what was read.
        max_bytes: largest size of the frames, bytes.
        limits: caps on frame size, number of frames and duration; None for `Limits()`.
        threads: decoder threads, 0 for automatic. Use 1 where many videos are read at once.

    Raises:
        VideoError: exactly one of its kinds; see `vidskim.errors`.
        SettingsError: a setting is out of range.
    """
    request = Request(fps, times_s, start_s, end_s)
    settings = Settings(
        os.fspath(path), request, motion, short_side, strict, max_bytes, limits or Limits(), threads
    )
    job = _plan(settings)
    check_memory(len(job.targets), *_painted_size(job), max_bytes=max_bytes, path=settings.path)
    (clip,) = _surely(job, block=len(job.targets))
    _check_damage(settings, clip.health, clip)
    return clip


def iter_video(
    path: str | os.PathLike[str],
    fps: float | None = None,
    *,
    times_s: Sequence[float] | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    motion: bool | Literal["signed"] | None = None,
    short_side: int | None = None,
    strict: bool = False,
    max_bytes: int = DEFAULT_MAX_BYTES,
    limits: Limits | None = None,
    threads: int = 0,
    block: int = 64,
) -> Iterator[Clip]:
    """As `read_video`, in Clips of up to `block` frames, so that memory stays bounded however long the video is.

    Together the Clips hold the same frames as `read_video` gives. The health of each counts from the start of the
    video; the last one's is complete. With `strict` the error comes after the last Clip.

    Args:
        max_bytes: largest size of one Clip's frames, bytes; Clips get fewer frames to fit.
        block: most frames in a Clip, 1 or more.

    Raises:
        VideoError: when the first Clip is asked for, as `read_video`.
        SettingsError: at once.
    """
    if block < 1:
        raise SettingsError(f"block must be 1 or more frames, received {block}")
    request = Request(fps, times_s, start_s, end_s)
    settings = Settings(
        os.fspath(path), request, motion, short_side, strict, max_bytes, limits or Limits(), threads
    )
    return _iterate(settings, block)


def frame_times(
    path: str | os.PathLike[str], fps: float | None = None, *, limits: Limits | None = None
) -> npt.NDArray[np.float64]:
    """The times of the frames that `read_video` gives, without decoding them.

    Args:
        path: a local file.
        fps: frames per second; None for every frame.
        limits: caps on frame size, number of frames and duration; None for `Limits()`.

    Returns:
        Seconds on the file's own clock, float64 [t]; any of them can be asked for as `times_s`. Damage may cost some.

    Raises:
        VideoError: as `read_video`, so far as packets show it.
        SettingsError: fps is out of range.
    """
    request = Request(fps, None, None, None)
    job = _plan(
        Settings(os.fspath(path), request, False, None, False, DEFAULT_MAX_BYTES, limits or Limits(), 1)
    )
    return job.targets.astype(np.float64) * job.index.timeline.tick_s


def probe(path: str | os.PathLike[str], *, limits: Limits | None = None) -> VideoInfo:
    """What the header says, and from the first frame how it is turned. Decodes no more than that.

    Raises:
        VideoError: as `read_video`; a video without a single good frame is described as stored, without a turn.
    """
    with open_video(path, limits or Limits(), threads=1) as (container, stream):
        info = read_info(path, container, stream)
        first = first_frame(container, stream)
        if first is None:
            return info
        orientation = orientation_of(first)
    height, width = orientation.size(first.height, first.width)
    rotation, mirrored = orientation.rotation, orientation.mirrored
    return replace(info, width=width, height=height, rotation=rotation, mirrored=mirrored)


def _iterate(settings: Settings, block: int) -> Iterator[Clip]:
    job = _plan(settings)
    fitting = frames_within(settings.max_bytes, *_painted_size(job))
    health = None
    for clip in _surely(job, block=min(block, fitting, len(job.targets))):
        health = clip.health
        yield clip
    if health is not None:
        _check_damage(settings, health, None)


def _surely(job: Job, *, block: int) -> Iterator[Clip]:
    """As `decode_clips`, but once damage is met, one thread decodes everything after all.

    A decoder fills damage from the frames it has, so frames left out and the number of threads would show.
    """
    given, last = 0, None
    try:
        for clip in decode_clips(job, block=block):
            if job.is_unsure:
                break
            given += len(clip)
            last = round(clip.times_s[-1] / job.index.timeline.tick_s)
            yield clip
    except NoFramesError:
        if not job.is_unsure:
            raise
    if not job.is_unsure:
        return
    rest = job.targets[given:]
    if last is not None and job.settings.request.times_s is None:
        rest = job.targets[job.targets > last]  # a lost frame was not given, so counting would be wrong
    if len(rest):
        settings = replace(job.settings, motion=job.with_motion and (job.settings.motion or True), threads=1)
        again = replace(_job(settings, job.index, rest, straight=True), given_until=last)
        yield from decode_clips(again, block=block)


def _plan(settings: Settings) -> Job:
    """First pass: choose the frames and the way to decode them."""
    index = read_index(settings.path, settings.limits)
    timeline, request = index.timeline, settings.request
    targets = choose_frames(request, timeline)
    if not len(timeline.shown):
        raise NoFramesError(f"no frames ({index.tally.first_problem or 'no packets'})", path=settings.path)
    if not len(targets):
        span = f"{timeline.shown[0] * timeline.tick_s:.3f} to {timeline.end * timeline.tick_s:.3f} s"
        asked = f"start_s {request.start_s} and end_s {request.end_s}"
        raise NoFramesError(f"no frames between {asked}; the video runs from {span}", path=settings.path)
    damaged = index.tally.packets_bad > 0
    return _job(settings, index, targets, straight=settings.straight or request.is_everything or damaged)


def _job(settings: Settings, index: Index, targets: Ticks, *, straight: bool) -> Job:
    codec, timeline = index.info.codec, index.timeline
    vectors = codec in MOTION_CODECS and settings.motion is not False
    straight = straight or (vectors and bool(settings.motion))
    drops = codec in NONREF_CODECS
    plan = plan_packets(timeline, targets, drops_nonref=drops, min_skip=_MIN_SKIP, straight=straight)
    if vectors and plan.strategy == "straight":
        needed = _with_neighbours(targets, timeline.shown)
        plan = plan_packets(timeline, needed, drops_nonref=drops, min_skip=_MIN_SKIP, straight=True)
    with_motion = vectors and plan.strategy == "straight"
    return Job(settings, index, targets, plan, with_motion, replace(index.tally))


def _with_neighbours(targets: Ticks, shown: Ticks) -> Ticks:
    """The targets and the frames after them whose motion is summed into theirs."""
    places = np.searchsorted(shown, targets)[:, None] + np.arange(REACH + 1)
    neighbours: Ticks = shown[np.unique(places.clip(max=len(shown) - 1))]
    return neighbours


def _painted_size(job: Job) -> tuple[int, int]:
    """Size of a frame to be given, by the header; height and width may be exchanged."""
    info, short_side = job.index.info, job.settings.short_side
    size = info.height, info.width
    return size if short_side is None else fit_short_side(*size, short_side)


def _check_damage(settings: Settings, health: Health, clip: Clip | None) -> None:
    """With `strict`, raise if anything was bad."""
    if not settings.strict or health.is_good:
        return
    error = DamagedVideoError(f"damaged {health.first_problem}", path=settings.path)
    error.clip = clip
    raise error
