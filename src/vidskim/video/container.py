"""Files as containers: open them safely, read the header, go through the packets, decode one packet.

Only this file, `write.py` and `cut.py` know PyAV.
"""

import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
from av.buffer import Buffer
from av.container import InputContainer
from av.sidedata.motionvectors import MotionVectors
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vidskim.errors import CannotOpenError, NoVideoStreamError
from vidskim.video.clip import VideoInfo
from vidskim.video.guard import OPEN_OPTIONS, Limits, local_file
from vidskim.video.plan import starts_clean
from vidskim.video.sample import NO_STAMP, Timeline

if TYPE_CHECKING:
    from av.packet import Packet

    VideoPacket = Packet[VideoStream]

# What the rest of the room calls the library's types.
Container = InputContainer
Stream = VideoStream
Decoder = VideoCodecContext
DecodedFrame = VideoFrame
Scaler = VideoReformatter

_MICROSECOND = Fraction(1, 1_000_000)
_MOST_ERRORS = 64  # in a row, from a container that cannot go on
_FASTEST = 480  # frames per second; a higher rate in a header is a clock's, not a video's


@dataclass
class Tally:
    """Counts of one reading, growing as it goes. Missing frames were wanted and decoded, but did not come out."""

    packets_decoded: int = 0
    packets_bad: int = 0
    frames_decoded: int = 0
    frames_corrupt: int = 0
    frames_missing: int = 0
    first_problem: str | None = None

    def note(self, problem: object) -> None:
        """Remember the first problem and where it was."""
        if self.first_problem is None:
            self.first_problem = f"after frame {self.frames_decoded}: {problem}"


@dataclass(frozen=True, eq=False)
class Index:
    """What the first pass learns.

    Args:
        info: the header, sizes as stored (the turn for display is known from the first frame only).
        truncated: the last packet ends clearly before the header says.
    """

    info: VideoInfo
    timeline: Timeline
    truncated: bool
    expected_end_s: float | None
    tally: Tally


@contextmanager
def open_video(
    path: str | os.PathLike[str], limits: Limits, *, threads: int = 0, motion: bool = False
) -> Iterator[tuple[Container, Stream]]:
    """The container and its main video stream, checked against the limits by the header; closed on leaving.

    Raises:
        CannotOpenError: not a local file of an allowed container, or no decoder for its codec.
        NoVideoStreamError: no video stream (a cover picture is none).
        VideoTooLargeError: the header is above the limits.
    """
    name = os.fspath(path)
    address = local_file(path)
    try:
        container = av.open(address, container_options=OPEN_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise CannotOpenError(
            f"not a readable video ({reason_of(error)}); {_advice(name)}", path=name
        ) from error
    with container:
        stream = _main_stream(container, name)
        context = stream.codec_context
        limits.check_size(context.width, context.height, name)
        limits.check_length(stream.frames, _duration(container, stream), name)
        # Given on opening the container, max_pixels would have no effect.
        context.options = {"max_pixels": str(limits.pixels), **({"flags2": "+export_mvs"} if motion else {})}
        # With a thread for each frame, FFmpeg exports motion vectors while another thread still fills them in.
        context.thread_type = "SLICE" if motion else "AUTO"
        context.thread_count = threads
        try:
            yield container, stream
        except av.error.FFmpegError as error:
            raise CannotOpenError(f"reading failed ({reason_of(error)})", path=name) from error


def _advice(path: str) -> str:
    """What to do about a file that does not open."""
    if not os.path.getsize(path):
        return "the file is empty: copy or download it again"
    return "check that a player opens it; if not, copy or download it again, or convert it to MP4"


def _main_stream(container: Container, path: str) -> Stream:
    cover = av.stream.Disposition.attached_pic
    # A stream of an unknown codec has no codec context, whatever the types say.
    streams = [
        s for s in container.streams.video if s.codec_context is not None and not s.disposition & cover
    ]
    if not streams:
        raise NoVideoStreamError("no video stream", path=path)
    best = container.streams.best("video")
    return next((stream for stream in streams if stream is best), streams[0])


def reason_of(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)


def _duration(container: Container, stream: Stream) -> float | None:
    """Seconds by the header. The container's own value counts only if no other stream could have made it longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if len(container.streams) == 1 and container.duration:
        return container.duration / 1e6
    return None


def read_info(path: str | os.PathLike[str], container: Container, stream: Stream) -> VideoInfo:
    """The header of a stream, sizes as stored."""
    rate = stream.average_rate
    return VideoInfo(
        path=os.fspath(path),
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        rotation=0,
        mirrored=False,
        codec=stream.codec_context.codec.canonical_name,
        duration_s=_duration(container, stream),
        frame_rate=float(rate) if rate and rate <= _FASTEST else None,
        frames_in_header=stream.frames or None,
        size_bytes=os.path.getsize(path),
    )


def read_packets(container: Container, stream: Stream, tally: Tally) -> "Iterator[VideoPacket]":
    """All packets of the stream; goes on after errors as long as the container does."""
    errors = 0
    while errors < _MOST_ERRORS:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    errors = 0
                    yield packet
            return
        except av.error.FFmpegError as error:
            errors += 1
            tally.packets_bad += 1
            tally.note(reason_of(error))


def read_index(path: str | os.PathLike[str], limits: Limits) -> Index:
    """Go through the packets without decoding."""
    tally = Tally()
    pts, dts, is_key, is_discard = array("q"), array("q"), array("b"), array("b")
    with open_video(path, limits) as (container, stream):
        info = read_info(path, container, stream)
        context, tick = stream.codec_context, stream.time_base or _MICROSECOND
        head = context.extradata or b""
        length_bytes = (head[4] & 3) + 1 if len(head) > 4 and head[0] == 1 else 0
        for packet in read_packets(container, stream, tally):
            pts.append(NO_STAMP if packet.pts is None else packet.pts)
            dts.append(NO_STAMP if packet.dts is None else packet.dts)
            is_discard.append(packet.is_discard)
            key = packet.is_keyframe
            if key and info.codec == "h264":
                key = starts_clean(bytes(packet), length_bytes=length_bytes)
            is_key.append(key)
            limits.check_length(len(pts), None, info.path)
        # AVI stores no display times: with reordered frames its timestamps are in decode order.
        reordered = container.format.name == "avi" and bool(context.has_b_frames)
        timeline = Timeline.from_packets(
            np.array(pts, np.int64),
            np.array(dts, np.int64),
            is_key=np.array(is_key, np.bool_),
            is_discard=np.array(is_discard, np.bool_),
            tick_s=float(tick),
            rough_gap=round(1 / ((info.frame_rate or 25.0) * tick)),
            pts_are_display_times=not reordered,
        )
        # Matroska's duration counts from 0, not from the first frame; a stream's own counts from its start.
        start_s = float((stream.start_time or 0) * tick) if stream.duration else 0.0
        expected = None if info.duration_s is None else start_s + info.duration_s
    if not len(timeline.shown):
        return Index(info, timeline, False, expected, tally)
    limits.check_length(len(pts), (timeline.end - int(timeline.shown[0])) * timeline.tick_s, info.path)
    # A header's end may be off by the reordering delay and by rounding; three frames is more than that.
    slack_s = max(3 * timeline.gap * timeline.tick_s, 0.05)
    truncated = expected is not None and expected - timeline.end * timeline.tick_s > slack_s
    return Index(info, timeline, truncated, expected, tally)


def decode_packet(context: Decoder, packet: "VideoPacket | None", tally: Tally) -> Iterator[DecodedFrame]:
    try:
        frames = context.decode(packet)
    except av.error.FFmpegError as error:
        tally.packets_bad += 1
        tally.note(reason_of(error))
        return
    for frame in frames:
        tally.frames_decoded += 1
        if frame.is_corrupt:
            tally.frames_corrupt += 1
            tally.note("the decoder marked a frame corrupt")
        yield frame


def display_matrix(frame: DecodedFrame) -> npt.NDArray[np.int32] | None:
    """The nine numbers that turn the frame for display, or None."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return np.frombuffer(bytes(matrix), dtype="<i4") if isinstance(matrix, Buffer) else None


def motion_vectors(frame: DecodedFrame) -> np.ndarray | None:
    """The frame's motion vectors as a structured array, or None."""
    vectors = frame.side_data.get("MOTION_VECTORS")
    return vectors.to_ndarray() if isinstance(vectors, MotionVectors) else None


def describe_decoders() -> tuple[dict[str, str], dict[str, str | None]]:
    """Versions of FFmpeg's libraries, and long names of the codecs that matter; None for one that is missing."""
    versions = {name: ".".join(map(str, number)) for name, number in sorted(av.library_versions.items())}
    codecs: dict[str, str | None] = {}
    for name in ("h264", "hevc", "vp9", "av1", "libx264"):
        try:
            codecs[name] = av.codec.Codec(name, "w" if name == "libx264" else "r").long_name
        except ValueError:
            codecs[name] = None
    return versions, codecs
