"""A sample of somebody's videos: some of them, spread over the list, and stretches of frames spread over each.

Stretches are of consecutive frames, since methods lean on neighbours.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from vidskim.errors import NoFramesError, VideoError, VidskimError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.flow import CLIP_BYTES
from vidskim.pipeline.sources import Source
from vidskim.pipeline.stream import Prepared
from vidskim.video.read import frame_times, iter_video

CLOSE_S = 1e-6
# Whole groups of 2, 3, 4 and 6 frames and the I-frame that closes the last one; on a CPU also one batch.
STRETCH = 49


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Frames of one video, prepared.

    Args:
        stretches: runs of consecutive frames, in order.
        goes_on: whether the video goes on after each of them; the last frame then only closes the last group.
    """

    stretches: Sequence[Prepared]
    goes_on: bool

    @property
    def frames(self) -> int:
        """How many count: where the video goes on, the last of each stretch does not."""
        return sum(map(len, self.stretches)) - self.goes_on * len(self.stretches)

    @property
    def spans_s(self) -> list[tuple[float, float]]:
        """Times of each stretch's first and last frame."""
        return [(float(part.times_s[0]), float(part.times_s[-1])) for part in self.stretches]


def spread(count: int, *, of: int) -> list[int]:
    """`count` numbers of 0 .. of - 1, all of them if there are fewer: the middles of equal parts."""
    count = min(count, of)
    return [(2 * part + 1) * of // (2 * count) for part in range(count)]


def choose_stretches(frames: int, *, most: int) -> list[range]:
    """Runs of `STRETCH` frames, in the middles of equal parts of a video; all of it if it is short.

    Args:
        frames: in the video.
        most: frames wanted, 1 or more; fewer than `STRETCH` give one shorter run.
    """
    if frames <= most:
        return [range(frames)]
    length, count = min(STRETCH, most), max(1, most // STRETCH)
    starts = [((2 * part + 1) * frames - count * length) // (2 * count) for part in range(count)]
    return [range(start, start + length) for start in starts]


def read_excerpt(path: Path, encoder: VideoEncoder, *, fps: float | None, most: int) -> Excerpt:
    """Decode and prepare the stretches of one video.

    Args:
        path: a local file.
        encoder: what prepares frames.
        fps: frames per second to sample, None for every frame.
        most: frames wanted.

    Raises:
        VideoError: it cannot be read.
    """
    times = frame_times(path, fps)
    runs = choose_stretches(len(times), most=most)
    wanted = np.concatenate([times[run.start : run.stop] for run in runs])
    frames: Prepared | None = None
    for clip in iter_video(path, times_s=wanted.tolist(), max_bytes=CLIP_BYTES, **encoder.reading):
        prepared = encoder.prepare(clip)
        frames = prepared if frames is None else Prepared.join(frames, prepared)
    if frames is None:
        raise NoFramesError("not one frame", path=str(path))
    # by time and not by number: where a file is damaged fewer frames may come than were asked for
    edges = [int(np.searchsorted(frames.times_s, times[run.start] - CLOSE_S)) for run in runs[1:]]
    bounds = [0, *edges, len(frames)]
    goes_on = len(wanted) < len(times)
    parts = [frames.slice(start, stop) for start, stop in pairwise(bounds)]
    stretches = [part for part in parts if len(part) > goes_on]
    if not stretches:
        raise NoFramesError(f"not two of {len(wanted)} frames that follow each other", path=str(path))
    return Excerpt(stretches, goes_on=goes_on)


def read_excerpts(
    sources: Sequence[Source],
    encoder: VideoEncoder,
    *,
    fps: float | None,
    most: int,
    on_failure: Callable[[str, str], None],
) -> Iterator[tuple[int, str, Excerpt]]:
    """One video after the other.

    Args:
        sources: what to read.
        encoder, fps, most: see `read_excerpt`.
        on_failure: told the names of those that cannot be read, and why.

    Yields:
        Number and name of a source, and its frames.

    Raises:
        VidskimError: in the end, if not one could be read.
    """
    reasons = []
    for number, source in enumerate(sources):
        try:
            excerpt = read_excerpt(source.path, encoder, fps=fps, most=most)
        except (VideoError, OSError) as error:
            reasons.append(str(error))
            on_failure(source.name, str(error))
            continue
        yield number, source.name, excerpt
    if len(reasons) == len(sources):
        raise VidskimError(f"not one of {len(sources)} sampled videos could be read: {'; '.join(reasons)}")
