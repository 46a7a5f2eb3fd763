"""A part of a video as a file of its own, packets copied as they are: nothing is decoded or encoded again."""

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from vidskim.errors import CannotOpenError, SettingsError, VideoTooLargeError
from vidskim.video.container import Container, Stream, open_video, reason_of
from vidskim.video.guard import Limits

if TYPE_CHECKING:
    from av.container import OutputContainer

MP4_CODECS = frozenset(
    {"h264", "hevc", "av1", "vp9", "mpeg4", "aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
)
LATE_S = 2.0  # how far sound may lag behind the picture in a file


def cut_video(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    start_s: float,
    end_s: float,
    most_bytes: int = 2**32,
    limits: Limits | None = None,
) -> str:
    """Copy what is shown from `start_s` to `end_s`, picture and sound.

    A copy can only begin where a picture stands by itself: it begins at the last key frame at or before `start_s`, so
    up to a group of pictures earlier.

    Args:
        path: the video.
        out: new file, MP4 where that can hold the codecs, else Matroska, whatever its name.
        start_s: seconds, 0 or more.
        end_s: seconds, after `start_s`.
        most_bytes: of packets.

    Returns:
        The suffix that goes with the container: ".mp4" or ".mkv".

    Raises:
        SettingsError: the range is empty.
        VideoError: the video cannot be read, holds nothing there, or the part is above `most_bytes`.
    """
    if not 0 <= start_s < end_s < float("inf"):
        raise SettingsError(f"a cut needs 0 <= start_s < end_s, received {start_s} and {end_s}")
    name = os.fspath(path)
    with open_video(path, limits or Limits(), threads=1) as (source, main):
        kept = [main, *(each for each in source.streams.audio if each.codec_context is not None)]
        fits_mp4 = {each.codec_context.codec.canonical_name for each in kept} <= MP4_CODECS
        kind, options = ("mp4", {"movflags": "+faststart"}) if fits_mp4 else ("matroska", {})
        try:
            with av.open(os.fspath(out), "w", format=kind, options=options) as target:
                copied = _copy(source, kept, target, span=(start_s, end_s), most_bytes=most_bytes, name=name)
        except (av.error.FFmpegError, ValueError) as error:
            raise CannotOpenError(
                f"cannot be cut without encoding ({reason_of(error)})", path=name
            ) from error
    if not copied:
        Path(out).unlink(missing_ok=True)
        raise CannotOpenError(f"holds nothing between {start_s:g} and {end_s:g} s", path=name)
    return ".mp4" if fits_mp4 else ".mkv"


def _copy(
    source: Container,
    kept: list[Any],
    target: "OutputContainer",
    *,
    span: tuple[float, float],
    most_bytes: int,
    name: str,
) -> int:
    """Packets of the streams, the main one first in `kept`; times count from the first picture. Returns how many."""
    main: Stream = kept[0]
    outputs = {stream.index: target.add_stream_from_template(stream) for stream in kept}
    tick = main.time_base or Fraction(1, 1_000_000)
    start_s, end_s = span
    source.seek(int(start_s / tick), stream=main, backward=True)
    origin: Fraction | None = None
    copied = size = 0
    for packet in source.demux(*kept):
        if packet.dts is None or packet.pts is None or packet.time_base is None:
            continue
        is_main, at = (
            packet.stream is main or packet.stream.index == main.index,
            packet.pts * packet.time_base,
        )
        if is_main and packet.dts * packet.time_base >= end_s + LATE_S:
            break
        if origin is None and is_main and packet.is_keyframe:
            origin = at
        is_over = packet.dts * packet.time_base >= end_s
        if origin is None or is_over or (not is_main and at < origin):
            continue
        size += packet.size
        if size > most_bytes:
            raise VideoTooLargeError(f"the part has more than {most_bytes} bytes: take less of it", path=name)
        shift = round(origin / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = outputs[packet.stream.index]
        target.mux(packet)
        copied += 1
    return copied
