"""Clips of labelled videos, read anew each time: which videos are trained on, which are held out, and batches."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidskim.errors import SettingsError, TrainingError, VideoError
from vidskim.evaluate.labelled import LabelledVideos
from vidskim.train.augment import crop_clip, draw_box
from vidskim.video.prepare import Preparation, crop_frames
from vidskim.video.read import frame_times, read_video
from vidskim.video.views import Views

CLIPS = 16  # a salt for its stream of random numbers, as `scenes` has them
ATTEMPTS = 8  # videos in a row that cannot be read before the training ends
Labelled = tuple[NDArray[np.uint8], int]  # a clip [t, y, x, 3] and its label
_log = logging.getLogger("vidskim")


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What training clips undergo.

    Args:
        least_crop: smallest share of a frame's area.
        mirror: whether half of the clips are mirrored.
    """

    least_crop: float
    mirror: bool


@dataclass(frozen=True, kw_only=True)
class VideoClips:
    """A `Source` of clips of labelled videos, one of each video in each pass over them.

    A video that cannot be read is named in a warning. In training the next one takes its place; of videos shown in
    order it is left out, so that none counts twice.

    Args:
        videos: one or more.
        frames: of a clip.
        preparation: of the model.
        views: which frames, "dense" or "segments"; one clip of each video.
        batch: clips in each batch.
        augmentation: of training clips, which also begin by chance; None shows the videos in order, as in use, and the
            last batch of a pass is what is left.
        seed: of the whole stream.
    """

    videos: LabelledVideos
    frames: int
    preparation: Preparation
    views: Views
    batch: int
    augmentation: Augmentation | None = None
    seed: int = 0

    @property
    def batches(self) -> int:
        """In one pass over the videos."""
        return -(-len(self.videos) // self.batch)

    def digest(self) -> str:
        """What a training is bound to: resumed, it must see the same videos."""
        listed = [list(map(str, self.videos.paths)), self.videos.labels, self.videos.classes]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`: "clips" uint8 [b, t, y, x, 3] and "labels" int64 [b]; in order also "unreadable", how many.

        Raises:
            TrainingError: no video to train on can be read for a while.
        """
        first = number * self.batch
        if self.augmentation:
            found = [self._read_or_next(place) for place in range(first, first + self.batch)]
            return self._stack(found)
        asked = range(first, min(first + self.batch, len(self.videos)))
        found = [read for place in asked if (read := self._read(place)) is not None]
        return {**self._stack(found), "unreadable": torch.tensor(len(asked) - len(found))}

    def _stack(self, found: Sequence[Labelled]) -> dict[str, Tensor]:
        side = self.preparation.size
        clips = np.empty((len(found), self.frames, side, side, 3), np.uint8)
        for row, (clip, _) in zip(clips, found, strict=True):
            row[:] = clip
        labels = torch.tensor([label for _, label in found], dtype=torch.int64)
        return {"clips": torch.from_numpy(clips), "labels": labels}

    def _read_or_next(self, place: int) -> Labelled:
        """The clip at a place of the stream, or the next that can be read."""
        for later in range(place, place + ATTEMPTS):
            if (found := self._read(later)) is not None:
                return found
        path = self.videos.paths[self._video(place + ATTEMPTS - 1)]
        raise TrainingError(f"{ATTEMPTS} videos in a row could not be read; the last: {path}")

    def _read(self, place: int) -> Labelled | None:
        """The clip at a place of the stream, None if its video cannot be read."""
        which = self._video(place)
        try:
            return self._clip(which, place), self.videos.labels[which]
        except VideoError as error:
            instead = "another video takes its place" if self.augmentation else "it is left out"
            _log.warning("%s; %s", error, instead)
            return None

    def _video(self, place: int) -> int:
        """Number of the video at a place of the stream."""
        turn, at = divmod(place, len(self.videos))
        return _order(len(self.videos), self.seed, turn)[at] if self.augmentation else at

    def _clip(self, which: int, place: int) -> NDArray[np.uint8]:
        path = self.videos.paths[which]
        times_s = frame_times(path)
        generator = np.random.default_rng([CLIPS, self.seed, place])
        if self.augmentation is None:
            row = self.views.rows(len(times_s), self.frames)[0]
        else:
            row = draw_row(self.views, len(times_s), self.frames, generator=generator)
        needed, places = np.unique(row, return_inverse=True)
        frames = read_video(path, times_s=times_s[needed].tolist(), motion=False, threads=1).frames
        if self.augmentation is None:
            clip = crop_frames(frames, self.preparation)
        else:
            box = draw_box(*frames.shape[1:3], least=self.augmentation.least_crop, generator=generator)
            mirror = self.augmentation.mirror and bool(generator.random() < 0.5)
            clip = crop_clip(frames, box, self.preparation, mirror=mirror)
        return clip[places]


def draw_row(views: Views, frames: int, length: int, *, generator: np.random.Generator) -> NDArray[np.int64]:
    """Frame numbers of one training clip, int64 [length].

    Args:
        views: "segments": one frame of each equal stretch, anywhere in it; otherwise a run of every `stride`-th frame
            that begins anywhere. A video that is too short stands still at its end.
        frames: how many the video has.
        length: how many a clip has.
        generator: decides.
    """
    if views.sampling == "segments":
        return ((np.arange(length) + generator.random(length)) * frames / length).astype(np.int64)
    room = frames - (length - 1) * views.stride
    start = int(generator.integers(room)) if room > 0 else 0
    return np.minimum(start + views.stride * np.arange(length), frames - 1)


def split_labelled(videos: LabelledVideos, *, held_out: float) -> tuple[LabelledVideos, LabelledVideos]:
    """Videos to train on, and videos to validate on: a share of each class, chosen by the hash of their paths.

    Raises:
        SettingsError: the share is out of range, or a class is left with nothing to train on.
    """
    if not 0 < held_out < 1:
        raise SettingsError(f"the share of videos held out must lie between 0 and 1, received {held_out:g}")
    train: list[int] = []
    rest: list[int] = []
    for label, name in enumerate(videos.classes):
        own = [place for place, number in enumerate(videos.labels) if number == label]
        if len(own) == 1:
            raise SettingsError(
                f"class {name!r} has a single video, which cannot be trained on and held out; give it more, or list "
                "the videos to validate on yourself"
            )
        own.sort(key=lambda place: hashlib.sha256(_name(videos, place)).digest())
        count = min(max(1, round(held_out * len(own))), len(own) - 1) if own else 0
        rest += own[:count]
        train += own[count:]
    return videos.part(sorted(train)), videos.part(sorted(rest))


def _name(videos: LabelledVideos, place: int) -> bytes:
    """The same wherever the videos lie."""
    path = videos.paths[place]
    return f"{path.parent.name}/{path.name}".encode(errors="backslashreplace")


@lru_cache(maxsize=4)
def _order(count: int, seed: int, turn: int) -> Sequence[int]:
    order: list[int] = np.random.default_rng([CLIPS, seed, turn, count]).permutation(count).tolist()
    return order
