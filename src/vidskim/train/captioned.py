"""Videos with sentences, read from files in batches of pairs; and which of them are held out."""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidskim.errors import SettingsError, TrainingError, VideoError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.train.pairs import HeldOut, Pairs, Texts
from vidskim.train.randaugment import RandAugment, change_frames
from vidskim.train.syllabus import Located
from vidskim.video.prepare import Preparation, crop_frames
from vidskim.video.spread import read_spread

CAPTIONED = 18  # a salt for its stream of random numbers, as `scenes` has them
ATTEMPTS = 8  # videos in a row that cannot be read before the training ends
_log = logging.getLogger("vidskim")


@dataclass(frozen=True)
class CaptionedClips:
    """A `Source` of videos with one of their sentences each.

    In each pass over the videos, in an order of its own, a video comes with another of its sentences. One that cannot
    be read is named in a warning, and the next one, which then comes twice, takes its place.

    Args:
        videos: one or more, each with a sentence or more.
        paths: of each.
        texts: how sentences become token ids.
        frames: of a video, spread over all of it.
        preparation: of the model.
        batch: videos in each batch.
        augmentation: what videos undergo, None for nothing.
        seed: of the whole stream.
    """

    videos: CaptionedVideos
    paths: tuple[Path, ...]
    _: KW_ONLY
    texts: Texts
    frames: int
    preparation: Preparation
    batch: int
    augmentation: RandAugment | None = None
    seed: int = 0

    @cached_property
    def sentences(self) -> list[list[str]]:
        """Of each video."""
        found: list[list[str]] = [[] for _ in self.paths]
        for text, owner in zip(self.videos.texts, self.videos.owners, strict=True):
            found[owner].append(text)
        return found

    def digest(self) -> str:
        """What a training is bound to: resumed, it must see the same videos and sentences."""
        listed = [self.videos.videos, self.videos.texts, self.videos.owners, self.videos.end_s]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def part(self, places: Sequence[int]) -> "CaptionedClips":
        """Some of the videos."""
        return replace(
            self, videos=self.videos.part(places), paths=tuple(self.paths[place] for place in places)
        )

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`: "frames" uint8 [b, t, y, x, 3] and "ids" int64 [b, n] of each one's sentence.

        Raises:
            TrainingError: no video can be read for a while.
        """
        first = number * self.batch
        pairs = [self._read_or_next(place) for place in range(first, first + self.batch)]
        return {
            "frames": torch.from_numpy(np.stack([frames for frames, _, _ in pairs])),
            "ids": self.texts.encode([sentence for _, sentence, _ in pairs]),
            "owners": torch.tensor([which for _, _, which in pairs]),
        }

    def read(self, which: int, *, changed_by: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """A video as the model takes it: uint8 [t, y, x, 3].

        Args:
            which: number of the video.
            changed_by: draws how it is augmented; None leaves it as it is.

        Raises:
            VideoError: it cannot be read.
        """
        clip = read_spread(self.paths[which], self.frames, length_s=self.videos.end_s)
        frames = clip.frames
        if self.augmentation is not None and changed_by is not None:
            frames = change_frames(frames, self.augmentation.draw(changed_by))
        return crop_frames(frames, self.preparation)

    def _read_or_next(self, place: int) -> tuple[NDArray[np.uint8], str, int]:
        """The pair at a place of the stream and its video's number, or the next whose video can be read."""
        for later in range(place, place + ATTEMPTS):
            turn, at = divmod(later, len(self.paths))
            which = _order(len(self.paths), self.seed, turn)[at]
            sentences = self.sentences[which]
            try:
                frames = self.read(which, changed_by=np.random.default_rng([CAPTIONED, self.seed, later]))
            except VideoError as error:
                _log.warning("%s; another video takes its place", error)
                continue
            return frames, sentences[_turn(len(sentences), self.seed, which, turn)], which
        raise TrainingError(f"{ATTEMPTS} videos in a row could not be read; the last: {self.paths[which]}")


def open_captioned(clips: CaptionedClips, *, held_out: float | Located, batch: int | None = None) -> Pairs:
    """What is learnt from, and what is held out.

    Args:
        clips: all videos.
        held_out: share of them, or other videos.
        batch: videos in each batch; None is that of the clips, or all there are to learn from if those are fewer.

    Raises:
        SettingsError: the share is out of range or leaves fewer than two videos on a side, a video or recording is on
            both, or a batch is more than there are to learn from.
    """
    if isinstance(held_out, int | float):
        learnt, asked = _hold_out(clips.videos, share=held_out)
        source, exam = clips.part(learnt), clips.part(asked)
    else:
        source, exam = clips, replace(clips, videos=held_out[0], paths=held_out[1])
        _check_apart("videos", map(str, source.paths), map(str, exam.paths))
        _check_apart("recordings", source.videos.origins or (), exam.videos.origins or ())
        if (source.videos.origins is None) != (exam.videos.origins is None):
            _log.warning(
                "of the videos held out, or of the others, nothing says which recording they are cut from (column "
                "origin): clips of one may be on both sides"
            )
    count = len(source.paths)
    if batch is not None and batch > count:
        raise SettingsError(
            f"batch must be at most the {count} videos there are to learn from, received {batch}"
        )
    source = replace(source, batch=min(source.batch, count) if batch is None else batch)
    return Pairs(
        source=source,
        batch=source.batch,
        held_out=HeldOut(
            count=len(exam.paths), sentences=exam.videos.texts, owners=exam.videos.owners, read=exam.read
        ),
        digest=f"{source.digest()} {exam.digest()}",
        sentences=len(source.videos.texts),
    )


def _check_apart(what: str, learnt: Iterable[str], asked: Iterable[str]) -> None:
    if shared := set(learnt) & set(asked):
        raise SettingsError(
            f"{len(shared)} {what} are on both sides, such as {min(shared)}; leave them out of one"
        )


def _hold_out(videos: CaptionedVideos, *, share: float) -> tuple[list[int], list[int]]:
    """Numbers of the videos to train on, and of those to select by, chosen by the hash of their names.

    Videos cut from one recording are on one side. A recording that would make them more than the share is left for
    training, unless fewer than two videos would be held out.
    """
    if not 0 < share < 1:
        raise SettingsError(f"the share of videos held out must lie between 0 and 1, received {share:g}")
    count = max(2, round(share * len(videos)))
    members: dict[str, list[int]] = {}
    for number, origin in enumerate(videos.origins or videos.videos):
        members.setdefault(origin, []).append(number)
    asked: list[int] = []
    ordered = sorted(members, key=lambda name: hashlib.sha256(name.encode()).digest())
    for origin in ordered:
        if len(asked) + len(members[origin]) <= count:
            asked += members[origin]
    if len(asked) < 2:  # each recording alone is more than the share
        asked = members[min(ordered, key=lambda name: (len(members[name]) < 2, len(members[name])))]
    learnt = sorted(set(range(len(videos))) - set(asked))
    if len(learnt) < 2:
        raise SettingsError(
            f"{len(videos)} videos of {len(members)} recordings are too few to hold out {count} of them and train on "
            "two or more; give more videos, or others to hold out"
        )
    return learnt, sorted(asked)


@lru_cache(maxsize=4)
def _order(count: int, seed: int, turn: int) -> Sequence[int]:
    order: list[int] = np.random.default_rng([CAPTIONED, seed, turn, count]).permutation(count).tolist()
    return order


def _turn(sentences: int, seed: int, which: int, turn: int) -> int:
    """Which sentence a video has in a pass: all come before one comes again, each time in another order."""
    again, at = divmod(turn, sentences)
    return int(np.random.default_rng([CAPTIONED, seed, which, again]).permutation(sentences)[at])
