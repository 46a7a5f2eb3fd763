"""VideoClassifier: clips in, labels with probabilities out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, Literal, overload

import torch
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.methods.clip_registry import clip_method_settings, make_clip_method
from vidskim.methods.clips import ClipMethod
from vidskim.models.linear import pack_linears
from vidskim.models.recognition import build_video, read_video_checkpoint
from vidskim.models.swin import VideoSwin
from vidskim.models.swin_checkpoint import build_swin, is_swin, read_swin_checkpoint
from vidskim.models.video_vit import VideoTransformer
from vidskim.pipeline.classification import Classification
from vidskim.video.clip import Clip
from vidskim.video.prepare import Preparation, prepare_frames
from vidskim.video.views import SWIN_VIEWS, VIDEOMAE_VIEWS, Rows, Views, find_views, read_rows

# Views that go through the trunk together. On a CPU more gains nothing and takes memory.
CPU_VIEWS, GPU_VIEWS = 1, 15


@dataclass(frozen=True)
class Kind:
    """One kind of trunk.

    Args:
        read: from files to a checkpoint.
        build: from a checkpoint to the trunk.
        views: its published evaluations by name.
    """

    read: Callable[..., Any]
    build: Callable[..., Any]
    views: Mapping[str, Views]


KINDS = {
    "videomae": Kind(read_video_checkpoint, build_video, VIDEOMAE_VIEWS),
    "swin": Kind(read_swin_checkpoint, build_swin, SWIN_VIEWS),
}


class VideoClassifier:
    """A video transformer with its head, a clip method and the names of the classes.

    Made by `load_model`. It keeps no state between calls.
    """

    def __init__(
        self,
        trunk: VideoTransformer | VideoSwin,
        method: ClipMethod,
        *,
        family: str,
        preparation: Preparation,
        fingerprint: Fingerprint,
        labels: Sequence[str] | None = None,
        frames: int = 16,
        views: Views | None = None,
    ) -> None:
        self.trunk, self.method = trunk, method
        self.family, self.frames = family, frames  # kind of trunk; frames of a clip
        self.preparation, self.fingerprint = preparation, fingerprint
        self.views = {**KINDS[family].views, **({} if views is None else {"one": views})}
        classes = trunk.config.classes or 0
        self.labels = tuple(labels) if labels is not None else tuple(map(str, range(classes)))

    def __repr__(self) -> str:
        config = ", ".join(f"{name}={value!r}" for name, value in self.fingerprint.settings.items())
        classes = f"{len(self.labels)} classes"
        return (
            f"VideoClassifier({self.fingerprint.model}, {classes}, {self.method.name}({config}), {self.dtype}, "
            f"{self.device})"
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.trunk.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self.trunk.dtype

    def with_method(self, name: str, **settings: object) -> "VideoClassifier":
        """The same weights behind another method.

        Args:
            name: as `load_model`'s method.
            **settings: of the method.

        Raises:
            SettingsError: an unknown method or setting, or a value out of range.
        """
        other = copy(self)
        other.method = make_clip_method(name, settings, family=self.family)
        other.fingerprint = replace(
            self.fingerprint, method=name, settings=clip_method_settings(other.method)
        )
        return other

    def with_labels(self, labels: Sequence[str]) -> "VideoClassifier":
        """The same with names of the classes, for checkpoints that have none.

        Args:
            labels: in the order of the classes.

        Raises:
            SettingsError: more or fewer names than classes.
        """
        if len(labels) != len(self.labels):
            wrong = f"received {len(labels)} names for the {len(self.labels)} classes of this model"
            raise SettingsError(wrong)
        other = copy(self)
        other.labels = tuple(labels)
        return other

    @overload
    def logits(self, pixels: Tensor, *, trace: Literal[False] = False) -> Tensor: ...
    @overload
    def logits(self, pixels: Tensor, *, trace: Literal[True]) -> tuple[Tensor, tuple[Any, ...]]: ...
    def logits(self, pixels: Tensor, *, trace: bool = False) -> Tensor | tuple[Tensor, tuple[Any, ...]]:
        """Class scores of prepared clips.

        Args:
            pixels: normalised clips [b, 3, t, y, x]; all go through at once.
            trace: also return what was dropped.

        Returns:
            Logits [b, classes], float32 or wider, on the model's device; with `trace` also one record for each place
            where tokens were dropped, `Pruned` for VideoMAE, `Dropped` for Video Swin.

        Raises:
            SettingsError: clips the model cannot read, or that do not suit the method.
        """
        logits, trail = self._run(torch.as_tensor(pixels))
        return (logits, trail) if trace else logits

    def classify(self, clip: Clip, *, top: int = 5, views: str | Views = "one") -> Classification:
        """What a clip shows.

        Args:
            clip: frames uint8 [t, y, x, 3]; with dense views at the video's own frame rate, as in training.
            top: labels to return, 1 or more.
            views: parts to look at: "one" (as trained, if the model tells), "k400" (as published for Kinetics: 15
                views, Video Swin 12), "ssv2" (for Something-Something: 6, Video Swin 3), or `Views(...)`.

        Returns:
            The `top` likeliest labels; probabilities are a mean over the views.

        Raises:
            SettingsError: not a clip, an unknown name of views, or the method does not suit the model's clips.
        """
        if not isinstance(clip, Clip):
            raise SettingsError(f"classify takes a Clip, as read_video gives; received {type(clip).__name__}")
        views = self.find_views(views)
        return self.name_best(self.prepare(clip, views.rows(len(clip), self.frames), views), top)

    def classify_file(
        self, path: str | PathLike[str], *, top: int = 5, views: str | Views = "one"
    ) -> Classification:
        """What a video file shows; only the frames that the views need are decoded and held.

        Args:
            path: a local file.
            top: labels to return, 1 or more.
            views: as in `classify`.

        Raises:
            VideoError: the file cannot be read; see `vidskim.errors`.
            SettingsError: as `classify`.
        """
        return self.name_best(self.read_views(path, views), top)

    def find_views(self, views: str | Views) -> Views:
        """Views by their name, for this kind of model.

        Raises:
            SettingsError: no such name.
        """
        return find_views(views, self.views)

    def read_views(self, path: str | PathLike[str], views: str | Views) -> Iterator[Tensor]:
        """The views of a file as the model sees them; any method of it sees the same.

        Args:
            path: a local file.
            views: as in `classify`.

        Yields:
            Prepared clips [3, t, y, x], crop after crop of each run of frames.

        Raises:
            VideoError: the file cannot be read.
            SettingsError: an unknown name of views.
        """
        views = self.find_views(views)
        clip, rows = read_rows(path, views, length=self.frames, short_side=self.preparation.reading_side)
        yield from self.prepare(clip, rows, views)

    def prepare(self, clip: Clip, rows: Rows, views: Views) -> Iterator[Tensor]:
        """Views of a clip whose runs have these frames [clips, length]: prepared clips [3, t, y, x]."""
        for row in rows:
            for along in views.places:
                yield prepare_frames(clip.frames[row], self.preparation, along=along).transpose(0, 1)

    def mean_probabilities(self, views: Iterable[Tensor]) -> tuple[Tensor, int, int]:
        """What all views together show.

        Args:
            views: prepared clips [3, t, y, x], one or more.

        Returns:
            Probabilities [classes], float32 or wider, a mean over the views; multiply-accumulates spent; how many
            views there were.
        """
        at_once = CPU_VIEWS if self.device.type == "cpu" else GPU_VIEWS
        parts, macs, waiting = [], 0, iter(views)
        while batch := list(islice(waiting, at_once)):
            pixels = torch.stack(batch)
            logits, trail = self._run(pixels)
            parts.append(logits.softmax(dim=1))
            frames, height, width = pixels.shape[2:]
            macs += len(pixels) * self.method.macs(self.trunk.config, (frames, height, width), trail)
        every = torch.cat(parts)
        return every.mean(dim=0), macs, len(every)

    def name_best(self, prepared: Iterable[Tensor], top: int = 5) -> Classification:
        """As `classify`, of views that are prepared already; see `prepare`."""
        if top < 1:
            raise SettingsError(f"top is the number of labels to return, 1 or more; received {top}")
        probabilities, macs, views = self.mean_probabilities(prepared)
        best = probabilities.topk(min(top, len(probabilities)))
        labels = tuple(self.labels[number] for number in best.indices.tolist())
        return Classification(labels, tuple(best.values.tolist()), views, macs, self.fingerprint)

    def _run(self, pixels: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        if not pixels.is_floating_point():
            raise SettingsError(f"pixels must be normalised floats, received {pixels.dtype}")
        with torch.inference_mode():
            logits, trail = self.method.run(self.trunk, pixels.to(self.device))
            return logits.to(torch.promote_types(logits.dtype, torch.float32)), trail


def read_classifier(
    path: Path,
    *,
    state: dict[str, Tensor],
    place: tuple[torch.device, torch.dtype],
    config: Mapping[str, object] | None,
    image_size: int | None,
    scaler: str,
) -> VideoClassifier:
    """A video classifier without a method.

    Args:
        path: where it was read.
        state: what `read_weights(path)` gave.
        place: device and type of the weights.
        config: what the files do not say, as in `load_model`.
        image_size: side of the images, where the files do not say it.
        scaler: what resizes video frames.

    Raises:
        CheckpointError: of no known layout, or keys do not fit.
        SettingsError: unknown or invalid `config`.
    """
    family = "swin" if is_swin(state) else "videomae"
    kind = KINDS[family]
    checkpoint = kind.read(path, config=config, image_size=image_size, state=state)
    if checkpoint.config.classes is None:
        raise CheckpointError(f"{path}: a {checkpoint.description} without a head, which gives no labels")
    preparation = replace(checkpoint.preparation, scaler=scaler)
    device, dtype = place
    trunk = kind.build(checkpoint, dtype=dtype).to(device)
    pack_linears(trunk)
    full = make_clip_method("full", {}, family=family)
    return VideoClassifier(
        trunk,
        full,
        family=family,
        preparation=preparation,
        fingerprint=Fingerprint(
            checkpoint.description, checkpoint.weights_hash, preparation.to_dict(), full.name
        ),
        labels=checkpoint.labels,
        frames=checkpoint.config.frames,
        views=checkpoint.views,
    )
