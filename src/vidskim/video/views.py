"""Which parts of a video a classifier looks at, as its published evaluation has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Literal

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError, unknown_name
from vidskim.video.clip import Clip
from vidskim.video.read import frame_times, read_video

Rows = npt.NDArray[np.int64]
SAMPLING = ("dense", "parts", "segments")


@dataclass(frozen=True)
class Views:
    """Clips of a video times crops of its frames; their probabilities are averaged.

    Args:
        sampling: "dense": each clip is a run of every `stride`-th frame, the first at the start and the last at the end
            of the video (VideoMAE's on Kinetics); "parts": the same, each in the middle of one of equal parts (Video
            Swin's); "segments": frames spread evenly over the whole video (Something-Something).
        clips: "dense", "parts": runs, a single one lies in the middle; "segments": 1 or 2.
        crops: squares along the longer side, from its start to its end; one lies in the centre.
        stride: frames from one to the next, for "dense" and "parts".
    """

    sampling: Literal["dense", "parts", "segments"] = "dense"
    clips: int = 1
    crops: int = 1
    stride: int = 4

    def __post_init__(self) -> None:
        if self.sampling not in SAMPLING:
            raise unknown_name("sampling", self.sampling, SAMPLING)
        for name in ("clips", "crops", "stride"):
            if (value := getattr(self, name)) < 1:
                raise SettingsError(f"{name} must be 1 or more, received {value}")
        if self.sampling == "segments" and self.clips > 2:
            raise SettingsError(f'sampling="segments" gives 1 or 2 clips, received {self.clips}')

    def __len__(self) -> int:
        return self.clips * self.crops

    @property
    def places(self) -> list[float | None]:
        """Where the crops lie along the longer side, 0 to 1; None is the exact centre."""
        return [None] if self.crops == 1 else [j / (self.crops - 1) for j in range(self.crops)]

    def rows(self, frames: int, length: int) -> Rows:
        """Frame numbers of each clip.

        Args:
            frames: how many the video has.
            length: how many a clip has; where the video has fewer, frames come more than once.

        Returns:
            int64 [clips, length].

        Source: VideoMAE's evaluation on Kinetics-400 and on Something-Something v2; mmaction's for "parts".
        """
        rows = {"dense": self._dense, "parts": self._parts, "segments": self._segments}
        return rows[self.sampling](frames, length)

    def _dense(self, frames: int, length: int) -> Rows:
        taken = np.arange(0, frames, self.stride)
        taken = np.append(taken, np.repeat(taken[-1:], max(0, length - len(taken))))
        room = len(taken) - length
        starts = (
            [room // 2] if self.clips == 1 else [int(i * room / (self.clips - 1)) for i in range(self.clips)]
        )
        return np.stack([taken[start : start + length] for start in starts])

    def _parts(self, frames: int, length: int) -> Rows:
        room = max(0, frames - length * self.stride + 1)
        starts = ((np.arange(self.clips) + 0.5) * room / self.clips).astype(np.int64)
        return (starts[:, None] + np.arange(length) * self.stride) % frames  # short videos begin again

    def _segments(self, frames: int, length: int) -> Rows:
        tick, segments = frames / length, np.arange(length)
        middles = (tick / 2 + tick * segments).astype(np.int64)
        if self.clips == 1:
            return middles[None]
        both = np.sort(np.concatenate([(tick * segments).astype(np.int64), middles]))
        return np.stack([both[::2], both[1::2]])


# As published: "k400" for Kinetics, "ssv2" for Something-Something v2; "one" is the cheapest.
VIDEOMAE_VIEWS = {
    "one": Views(),
    "k400": Views(clips=5, crops=3),
    "ssv2": Views("segments", clips=2, crops=3),
}
SWIN_VIEWS = {
    "one": Views("parts", stride=2),
    "k400": Views("parts", clips=4, crops=3, stride=2),
    "ssv2": Views("segments", crops=3),
}


def find_views(views: str | Views, named: Mapping[str, Views]) -> Views:
    """Views by name, or as they are.

    Args:
        views: a name, or views.
        named: a model's views by their names.

    Raises:
        SettingsError: no such name.
    """
    if isinstance(views, Views):
        return views
    if views not in named:
        raise unknown_name("views", str(views), named)
    return named[views]


def read_rows(
    path: str | PathLike[str],
    views: Views,
    *,
    length: int,
    start_s: float | None = None,
    end_s: float | None = None,
    short_side: int | None = None,
) -> tuple[Clip, Rows]:
    """The frames of a file that views need, and no others.

    Args:
        path: a local file.
        views: of the file, or of a part of it as if it were all.
        length: frames of a clip.
        start_s: leave out what is before this time on the file's clock.
        end_s: leave out what is at or after this time.
        short_side: as in `read_video`.

    Returns:
        The frames, and which of them each clip has, int64 [clips, length].

    Raises:
        VideoError: the file cannot be read.
        SettingsError: there is no frame between these times.
    """
    every = frame_times(path)
    first = every[0] if start_s is None else start_s
    times_s = every[(every >= first) & (every < (np.inf if end_s is None else end_s))]
    if not len(times_s):
        end = "the end" if end_s is None else f"{end_s:g} s"
        raise SettingsError(
            f"{path} has no frame from {first:g} s to {end}; its frames are at {every[0]:g} to {every[-1]:g} s"
        )
    rows = views.rows(len(times_s), length)
    needed, places = np.unique(rows, return_inverse=True)
    clip = read_video(path, times_s=times_s[needed].tolist(), motion=False, short_side=short_side)
    return clip, places.reshape(rows.shape)
