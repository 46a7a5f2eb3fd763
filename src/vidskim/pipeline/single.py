"""One video file of any length to Features, in bounded memory but for the vectors."""

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

    check_fps(fps)

    def blocks() -> Iterator[Block]:
        held: Prepared | None = None
        for clip in read(path, fps=fps, max_bytes=CLIP_BYTES, **encoder.reading):
            if held is not None:
                yield Block(0, held, last=False)
            held = encoder.prepare(clip)
        if held is None:
            raise NoFramesError("not one frame", path=str(path))
        yield Block(0, held, last=True)

    return Features.concatenate([features for _, features in encoder.encode_stream(blocks())])
