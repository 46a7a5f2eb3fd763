"""What a classifier is taught: the model before its first step, batches to learn from, and batches to be asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vidskim.errors import CheckpointError, SettingsError
from vidskim.evaluate.labelled import LabelledVideos, read_classes, read_labelled
from vidskim.models.checkpoint import fill
from vidskim.models.layouts.videomae import HF_HEAD_EPS
from vidskim.models.pretrained import is_pretrained, put_head
from vidskim.models.recognition import read_video_checkpoint
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.models.weights import read_weights
from vidskim.pipeline.hub import resolve
from vidskim.synth.vocabulary import ACTIONS, Split
from vidskim.train.actions import ActionClips
from vidskim.train.clips import Augmentation, VideoClips, split_labelled
from vidskim.train.curriculum import TINY, Recognition, build_config
from vidskim.train.data import Source
from vidskim.train.initialise import initialise
from vidskim.video.prepare import Preparation
from vidskim.video.views import Views

VALIDATION_CLIPS, TEST_CLIPS = 256, 1024  # rendered
HELD_OUT_SEED = 1_000_003


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """A training's material.

    Args:
        trunk: before its first step.
        preparation: of its frames.
        classes: names.
        views: which frames clips have.
        source: batches to learn from.
        validation: clips it does not learn from, and how many batches of them.
        test: the same, asked once at the end; rendered actions only.
        footage: what tells this material from other.
        videos: trained on in one pass; None for rendered ones, which have no end.
    """

    trunk: VideoTransformer
    preparation: Preparation
    classes: tuple[str, ...]
    views: Views
    source: Source
    validation: tuple[Source, int]
    test: tuple[Source, int] | None
    footage: str
    videos: int | None


def open_lessons(what: Recognition, *, seed: int) -> Lessons:
    """Read the model and the lists, or set up the renderer.

    Raises:
        CheckpointError: the model does not load, or is no video transformer that pools by the mean.
        SettingsError: lists that cannot be read, or do not fit.
    """
    return _rendered(what, seed=seed) if what.videos is None else _filmed(what, seed=seed)


def _rendered(what: Recognition, *, seed: int) -> Lessons:
    trunk, preparation = _begin(what, ACTIONS, seed=seed)
    clips = ActionClips(frames=trunk.config.frames, side=preparation.size, batch=what.batch, seed=seed)
    asked = replace(clips, split=Split.VALIDATION, seed=HELD_OUT_SEED)
    return Lessons(
        trunk=trunk,
        preparation=preparation,
        classes=ACTIONS,
        views=Views("segments"),
        source=clips,
        validation=(asked, max(1, VALIDATION_CLIPS // what.batch)),
        test=(replace(asked, split=Split.TEST), max(1, TEST_CLIPS // what.batch)),
        footage="rendered actions",
        videos=None,
    )


def _filmed(what: Recognition, *, seed: int) -> Lessons:
    train, held_out = _read_lists(what)
    trunk, preparation = _begin(what, train.classes, seed=seed)
    views = Views(what.sampling, stride=what.stride)  # type: ignore[arg-type]  # checked there
    shown: dict[str, Any] = {
        "frames": trunk.config.frames,
        "preparation": preparation,
        "views": views,
        "batch": what.batch,
        "seed": seed,
    }
    augmentation = Augmentation(least_crop=what.least_crop, mirror=what.mirror)
    source = VideoClips(videos=train, augmentation=augmentation, **shown)
    asked = VideoClips(videos=held_out, **shown)
    return Lessons(
        trunk=trunk,
        preparation=preparation,
        classes=train.classes,
        views=views,
        source=source,
        validation=(asked, asked.batches),
        test=None,
        footage=source.digest(),
        videos=len(train),
    )


def _read_lists(what: Recognition) -> tuple[LabelledVideos, LabelledVideos]:
    """What is trained on and what is held out, under the same classes; files that are not there are an error now."""
    assert what.videos is not None
    names = None if what.classes is None else read_classes(what.classes)
    listed = read_labelled(what.videos, classes=names)
    if isinstance(what.held_out, Path):
        train, held_out = listed, read_labelled(what.held_out, classes=listed.classes)
    else:
        train, held_out = split_labelled(listed, held_out=what.held_out)
    if absent := [path for path in (*train.paths, *held_out.paths) if not path.is_file()]:
        raise SettingsError(
            f"{len(absent)} of {len(train) + len(held_out)} videos are not there, such as {absent[0]}; paths of a list "
            "are relative to its folder"
        )
    if len(train.classes) < 2:
        raise SettingsError(f"there must be 2 classes or more to tell apart, received {list(train.classes)}")
    return train, held_out


def _begin(what: Recognition, classes: Sequence[str], *, seed: int) -> tuple[VideoTransformer, Preparation]:
    """The model before its first step."""
    if what.model is not None:
        return _from_checkpoint(what.model, what.config, classes, seed=seed)
    config = build_config(what.variant or TINY, classes=len(classes))
    side = config.image or 0
    preparation = replace(Preparation.imagenet(size=side, resize=side), interpolation="bilinear")
    return _from_nothing(config, seed=seed), preparation


def _from_nothing(config: VideoVitConfig, *, seed: int) -> VideoTransformer:
    trunk = VideoTransformer(config)
    initialise(trunk, torch.Generator().manual_seed(seed))
    return trunk


def _from_checkpoint(
    model: str | Path, config: Mapping[str, object], classes: Sequence[str], *, seed: int
) -> tuple[VideoTransformer, Preparation]:
    """The trunk as stored, with a new head where there is none, or one for other classes."""
    path = resolve(model)
    state = read_weights(path)
    pretrained = is_pretrained(state)
    if pretrained:
        state = put_head(state, classes=len(classes))
    checkpoint = read_video_checkpoint(path, config=config, state=state)
    if checkpoint.config.pool != "mean":
        raise CheckpointError(
            f"{path}: reads its first token; only classifiers that pool by the mean are trained"
        )
    image = checkpoint.config.image or checkpoint.preparation.size
    built = replace(checkpoint.config, classes=len(classes), image=image, head_eps=HF_HEAD_EPS)
    tensors = dict(checkpoint.state)
    if pretrained or checkpoint.labels != tuple(classes):
        fresh = _from_nothing(built, seed=seed)
        tensors |= {"head.weight": fresh.head.weight, "head.bias": fresh.head.bias}
    with torch.device("meta"):
        trunk = VideoTransformer(built)
    return fill(trunk, tensors, torch.float32).requires_grad_(True), checkpoint.preparation
