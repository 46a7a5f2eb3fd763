"""So many frames that stand for a whole video, as models of text and video are trained and tested."""

from os import PathLike

import numpy as np
import numpy.typing as npt

from vidskim.errors import NoFramesError, SettingsError
from vidskim.video.clip import Clip
from vidskim.video.read import frame_times, read_video


def spread_rows(times_s: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """Numbers of frames spread evenly over a video.

    They are taken from a grid of about one frame a second, or from all frames where that grid has too few; a video of
    fewer frames repeats some.

    Args:
        times_s: of all its frames, rising, 1 or more.
        count: how many are wanted, 1 or more.

    Returns:
        int64 [count], never decreasing, the first frame first.

    Source: CLIP4Clip's and TempMe's reading of videos: every round(fps)-th frame, then linspace.
    """
    every = np.arange(len(times_s))
    gap_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    grid = every[:: max(1, round(1 / gap_s))]
    chosen = grid if len(grid) >= count else every
    return chosen[np.linspace(0, len(chosen) - 1, count).astype(np.int64)]


def read_spread(
    path: str | PathLike[str],
    count: int,
    *,
    start_s: float | None = None,
    length_s: float | None = None,
    short_side: int | None = None,
) -> Clip:
    """Frames spread evenly over a file, or over a part of it as if it were all; no others are held.

    Args:
        path: a local file.
        count: how many, 1 or more; a short video repeats some.
        start_s: leave out what is before this time on the file's clock.
        length_s: take so many seconds from there, or from the first frame; above 0.
        short_side: as in `read_video`.

    Raises:
        VideoError: the file cannot be read, or has no frame there.
        SettingsError: count or length_s is out of range.
    """
    if count < 1:
        raise SettingsError(f"frames of a video must be 1 or more, received {count}")
    if length_s is not None and not length_s > 0:
        raise SettingsError(f"length_s must be above 0 seconds, received {length_s}")
    every = frame_times(path)
    first = every[0] if start_s is None else start_s
    end = np.inf if length_s is None else first + length_s
    times_s = every[(every >= first) & (every < end)]
    if not len(times_s):
        shown = f"its frames are at {every[0]:g} to {every[-1]:g} s"
        raise NoFramesError(f"no frame from {first:g} s to {end:g} s; {shown}", path=str(path))
    wanted = times_s[spread_rows(times_s, count)]
    return read_video(path, times_s=wanted.tolist(), motion=False, short_side=short_side)
