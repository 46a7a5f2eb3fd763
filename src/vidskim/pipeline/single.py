"""One video file of any length: read in bounded memory, and encoded."""

from collections.abc import Callable, Iterator
from pathlib import Path

from vidskim.errors import NoFramesError
from vidskim.pipeline.features import Features
from vidskim.pipeline.flow import CLIP_BYTES, Encoder, check_fps
from vidskim.pipeline.stream import Block, Prepared
from vidskim.video.clip import Clip
from vidskim.video.read import iter_video


def encode_file(
    path: Path,
    encoder: Encoder,
    *,
    fps: float | None = 3.0,
    read: Callable[..., Iterator[Clip]] = iter_video,
) -> Features:
    """Read and encode a file; the same vectors as `encoder.encode(read_video(path, fps=fps))`.

    Args:
        path: a local file.
        encoder: what makes the vectors.
        fps: frames per second to sample, None for every frame.
        read: yields bounded clips of a file.

    Raises:
        VideoError: it cannot be read.
        SettingsError: fps is out of range.
    """
    blocks = read_blocks(path, encoder, fps=fps, read=read)
    return Features.concatenate([features for _, features in encoder.encode_stream(blocks)])


def read_blocks(
    path: Path,
    encoder: Encoder,
    *,
    fps: float | None,
    read: Callable[..., Iterator[Clip]] = iter_video,
) -> Iterator[Block]:
    """A file's prepared frames, ready for `encode_stream`, under the key 0.

    Args:
        path: a local file.
        encoder: what prepares them.
        fps: frames per second to sample, None for every frame.
        read: yields bounded clips of a file; `partial(iter_video, start_s=4)` reads a part.

    Raises:
        VideoError: it cannot be read.
        SettingsError: fps is out of range.
    """
    check_fps(fps)
    held: Prepared | None = None
    for clip in read(path, fps=fps, max_bytes=CLIP_BYTES, **encoder.reading):
        if held is not None:
            yield Block(0, held, last=False)
        held = encoder.prepare(clip)
    if held is None:
        raise NoFramesError("not one frame", path=str(path))
    yield Block(0, held, last=True)
