"""Groups of frames out of cached footage: which videos are trained on, which are held out, and batches of groups."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.progress import Progress
from vidskim.pipeline.sources import list_videos, name_sources, shared_root
from vidskim.train.cache import CachedVideo, cache_footage
from vidskim.train.captions import embed_captions, read_captions, read_sidecars
from vidskim.train.ranges import Ranges
from vidskim.train.recipe import Distillation

FOOTAGE = 13  # a salt for its stream of random numbers, as `scenes` has them


@dataclass(frozen=True)
class Run:
    """Consecutive frames of one cached video, half-open."""

    video: CachedVideo
    first: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.first


def split_footage(videos: Sequence[CachedVideo], *, held_out: float) -> tuple[list[Run], list[Run]]:
    """Runs to train on, and runs to validate on: whole videos, chosen by the hash of their names.

    Args:
        videos: of the cache; those of a single frame have no P-frame and are left out.
        held_out: share of the videos to validate on, at least one; of a single video its last part.

    Raises:
        SettingsError: the share leaves nothing to train on.
    """
    if not 0 < held_out < 1:
        raise SettingsError(f"the share of videos held out must lie between 0 and 1, received {held_out:g}")
    videos = [video for video in videos if video.count > 1] or videos
    if len(videos) == 1:
        cut = videos[0].count - max(2, round(held_out * videos[0].count))
        if cut < 2:
            raise SettingsError(
                f"{videos[0].name} has only {videos[0].count} frames; raise --fps, or give more videos"
            )
        return [Run(videos[0], 0, cut)], [Run(videos[0], cut, videos[0].count)]
    ordered = sorted(videos, key=lambda video: hashlib.sha256(video.name.encode()).digest())
    count = min(max(1, round(held_out * len(ordered))), len(ordered) - 1)
    last, rest = ordered[:count], ordered[count:]
    return [Run(video, 0, video.count) for video in rest], [Run(video, 0, video.count) for video in last]


@dataclass(frozen=True, kw_only=True)
class FootageGroups:
    """A `Source` of groups of cached footage, an I-frame and the P-frames after it.

    Args:
        runs: what groups are cut from.
        ranges: of group length and kept share.
        grid: patches along one side.
        batch: groups in each batch.
        texts: vectors of each video's captions by name, unit [c, d]; None for losses without text.
        seed: of the whole stream.
        together: consecutive batches with one group length, for ranks that compare their rows.

    Raises:
        SettingsError: no run is as long as the longest group.
    """

    runs: tuple[Run, ...]
    ranges: Ranges
    grid: int
    batch: int
    texts: Mapping[str, Tensor] | None = field(default=None, repr=False)
    seed: int = 0
    together: int = 1

    def __post_init__(self) -> None:
        longest = max(map(len, self.runs))
        if longest <= self.ranges.interleave[1]:
            raise SettingsError(
                f"a group of {self.ranges.interleave[1]} P-frames needs {self.ranges.interleave[1] + 1} frames of one "
                f"video, the longest has {longest}; lower --interleave, raise --fps, or give longer videos"
            )

    @property
    def frames(self) -> int:
        """How many there are."""
        return sum(map(len, self.runs))

    def digest(self) -> str:
        """What a training is bound to: resumed, it must see the same frames and captions."""
        runs = [[run.video.key, run.first, run.stop] for run in self.runs]
        texts = {name: vectors.tolist() for name, vectors in sorted((self.texts or {}).items())}
        return hashlib.sha256(json.dumps([runs, texts]).encode()).hexdigest()

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`.

        Returns:
            "frames" uint8 [b, 1 + n, y, x, 3], "kept" int64 [b, n, k], "features" float32 [b, 1 + n, d] and, with
            captions, "texts" float32 [b, d].
        """
        setting = self.ranges.draw(seed=self.seed, number=number // self.together)
        generator = np.random.default_rng([FOOTAGE, self.seed, number])
        drawn = [self._draw(setting.interleave, generator) for _ in range(self.batch)]
        batch = {name: torch.stack([group[name] for group in drawn]) for name in drawn[0]}
        return {**batch, "kept": setting.choose(batch["frames"], grid=self.grid, generator=generator)}

    def _draw(self, interleave: int, generator: np.random.Generator) -> dict[str, Tensor]:
        """One group: each place where one fits is as likely as any other."""
        places = np.cumsum([max(0, len(run) - interleave) for run in self.runs])
        place = int(generator.integers(places[-1]))
        which = int(np.searchsorted(places, place, side="right"))
        run = self.runs[which]
        first = run.first + place - (int(places[which - 1]) if which else 0)
        frames = np.array(run.video.frames()[first : first + interleave + 1])
        features = self._features[run.video.name]
        view = int(generator.integers(len(features)))
        if view:
            frames = frames[:, :, ::-1].copy()
        group = {
            "frames": torch.from_numpy(frames),
            "features": features[view, first : first + interleave + 1],
        }
        if self.texts is not None:
            texts = self.texts[run.video.name]
            group["texts"] = texts[int(generator.integers(len(texts)))]
        return group

    @cached_property
    def _features(self) -> dict[str, Tensor]:
        return {run.video.name: run.video.features() for run in self.runs}

    def __getstate__(self) -> dict[str, object]:
        """Without features: each process reads its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_features"}


def open_footage(
    what: Distillation,
    folder: Path,
    *,
    encoder: VideoEncoder,
    stream: Mapping[str, Any],
    on_video: Callable[[Progress], None] = lambda progress: None,
) -> tuple[FootageGroups, list[Run]]:
    """The user's videos: cached, those without a caption left out where the loss needs one, and split.

    Args:
        what: is distilled.
        folder: of the cache.
        encoder: the teacher.
        stream: arguments of `FootageGroups` beside runs and texts.
        on_video: called after each video.

    Returns:
        What is trained on, and runs that are held out.

    Raises:
        SettingsError: no video has a caption, or all are too short.
        TrainingError: not one video could be read.
    """
    paths = list_videos(what.videos)
    cached = cache_footage(paths, folder, encoder, fps=what.fps, mirrored=what.mirrored, on_progress=on_video)
    texts = None
    if what.needs_captions:
        sources = {source.name: source.path for source in name_sources(paths, root=shared_root(paths))}
        captions = read_sidecars(sources) if what.captions is None else read_captions(what.captions, sources)
        cached = [video for video in cached if video.name in captions]
        if not cached:
            where = what.captions or "text files beside the videos, such as clip.txt of clip.mp4"
            raise SettingsError(
                f"not one of {len(sources)} videos has a caption; looked in {where} for names such as "
                f"{next(iter(sources))}"
            )
        own = {video.name: captions[video.name] for video in cached}
        texts = embed_captions(own, folder, encode=encoder.encode_text, model=encoder.fingerprint.weights)
    runs, rest = split_footage(cached, held_out=what.held_out)
    return FootageGroups(runs=tuple(runs), texts=texts, **stream), rest
