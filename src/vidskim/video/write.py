"""Frames to a video file: real H.264 in MP4, written whole or not at all."""

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from vidskim.errors import SettingsError

# x264's macroblock tree reads memory it never wrote: equal frames would give other bytes from run to run.
STEADY = {"libx264": {"mbtree": "0"}}
_BT709 = 1  # code points of ITU-T H.273 for matrix, primaries and transfer


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[npt.NDArray[np.uint8]],
    fps: float,
    *,
    codec: str = "libx264",
    gop: int = 50,
    options: Mapping[str, str] | None = None,
    threads: int = 1,
) -> None:
    """Write frames as a video. Equal input gives equal bytes, as long as `threads` is the same.

    The file appears under its name only when it is complete. Frames with an odd side keep it: they are stored with
    full colour resolution, since half resolution needs even sides.

    Args:
        path: the container follows from the ending, such as ".mp4" or ".mkv".
        frames: uint8 [y, x, 3], RGB, all of one size, one or more.
        fps: frames per second, above 0.
        codec: the encoder's name.
        gop: most frames from one key frame to the next.
        options: further options of the encoder, such as {"crf": "18", "bf": "2"}.
        threads: encoder threads, 0 for as many as there are cores.

    Raises:
        SettingsError: no frames, or a frame of another shape or type.
    """
    if not (0 < fps < float("inf")) or gop < 1:
        raise SettingsError(
            f"fps must be a finite number above 0 and gop 1 or more, received {fps} and {gop}"
        )
    final = Path(path)
    partial = final.with_name(f".{final.stem}.{os.getpid()}.partial{final.suffix}")
    try:
        with av.open(str(partial), "w", container_options={"fflags": "+bitexact"}) as container:
            settings = {"g": str(gop), "flags": "+bitexact", **STEADY.get(codec, {}), **(options or {})}
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=settings)
            assert isinstance(stream, VideoStream)
            stream.thread_count = threads
            _encode(container, stream, frames)
        os.replace(partial, final)
    finally:
        partial.unlink(missing_ok=True)


def _encode(
    container: av.container.OutputContainer, stream: VideoStream, frames: Iterable[npt.NDArray[np.uint8]]
) -> None:
    reformatter, shape = VideoReformatter(), None
    for number, pixels in enumerate(frames):
        if shape is None:
            shape = _start(stream, pixels)
        if pixels.shape != shape or pixels.dtype != np.uint8:
            received = f"{pixels.dtype} {list(pixels.shape)}"
            raise SettingsError(f"frame {number} must be uint8 {list(shape)}, received {received}")
        frame = reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"),
            format=stream.pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation="BICUBIC",
        )
        frame.pts = number
        frame.time_base = 1 / stream.codec_context.framerate
        container.mux(stream.encode(frame))
    if shape is None:
        raise SettingsError("a video needs one frame or more, received none")
    container.mux(stream.encode(None))


def _start(stream: VideoStream, pixels: npt.NDArray[np.uint8]) -> tuple[int, ...]:
    """Set up the stream for frames like the first one; returns their shape."""
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise SettingsError(f"frames must be uint8 [y, x, 3], received {pixels.dtype} {list(pixels.shape)}")
    y, x, _ = pixels.shape
    stream.width, stream.height = x, y
    stream.pix_fmt = "yuv444p" if y % 2 or x % 2 else "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = ColorRange.MPEG
    return pixels.shape
