"""What a video classifier's method did with a clip: which tokens are left after each stage, and what it says then."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from vidskim.methods.clips import MergedTokens, Pruned
from vidskim.methods.swin_staged import Dropped
from vidskim.models.swin import VideoSwin
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.tasks.explain import as_seen, describe_method
from vidskim.tasks.patch_picture import Picture
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED, Fates
from vidskim.video.views import read_rows

Grid = tuple[int, int, int]  # slices, rows, columns


@dataclass(frozen=True, eq=False)
class ClipStage:
    """The tokens after one place where a method acts.

    Args:
        name: the place, such as "after block 5".
        groups: of slices, in which tokens were chosen.
        fates: COMPUTED for those left, DROPPED or MERGED, int8 [t, gy, gx].
        slots: merged tokens with the same number are one, int64 [t, gy, gx]; -1 for the others.
    """

    name: str
    groups: int
    fates: Fates
    slots: npt.NDArray[np.int64]

    @property
    def left(self) -> int:
        """Tokens, those merged counted once."""
        return int((self.fates == COMPUTED).sum()) + len(np.unique(self.slots[self.fates == MERGED]))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the place, and how many tokens are left, also in each slice."""
        by_slice = (self.fates != DROPPED).sum(axis=(1, 2)).tolist()
        return {"name": self.name, "groups": self.groups, "left": self.left, "not_dropped_by_slice": by_slice}


@dataclass(frozen=True, eq=False)
class TokenExplanation(ABC):
    """What became of the tokens of a clip, or of a whole video.

    Args:
        method: its name and settings, "sta, r 48, groups halved".
        times_s: of the frame that each slice of tokens begins with, float64 [t].
        pictures: those frames as the model sees them, uint8 [t, y, x, 3].
        stages: in order; none where nothing was dropped or merged.
        tokens: before the first stage; on Video Swin cells.
        macs: multiply-accumulates of it all.
        full_macs: what it takes in full.
    """

    method: str
    times_s: npt.NDArray[np.float64]
    pictures: npt.NDArray[np.uint8]
    stages: Sequence[ClipStage]
    tokens: int
    macs: int
    full_macs: int
    # words for a drawing: what it is, what a stage's groups and slices are, and what a group has in common
    whole: ClassVar[str] = "clip"
    group: ClassVar[str] = "group"
    slice: ClassVar[str] = "slice"
    shared: ClassVar[str] = "slices whose tokens are chosen together"
    full: ClassVar[str] = "the full classifier's MACs"
    counted: ClassVar[str] = "tokens"
    coloured: ClassVar[bool] = False  # whether merged tokens are told apart by colours of their own

    @property
    def share(self) -> float:
        """Of the MACs in full."""
        return self.macs / self.full_macs

    def summary(self) -> str:
        """What is left, and what was spent, in a line."""
        left = self.stages[-1].left if self.stages else self.tokens
        return (
            f"{left} of {self.tokens} {self.counted} left at the end, {self.share:.0%} of {self.full} "
            f"({self.macs / 1e9:.2f} of {self.full_macs / 1e9:.2f} G)"
        )

    @abstractmethod
    def verdict(self) -> str:
        """What came of it, in a line."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, without the pictures."""
        return {
            "method": self.method,
            "times_s": self.times_s.tolist(),
            "tokens": self.tokens,
            "stages": [stage.to_json() for stage in self.stages],
            "macs": self.macs,
            "full_macs": self.full_macs,
            "share": self.share,
        }


@dataclass(frozen=True, eq=False)
class ClipExplanation(TokenExplanation):
    """What a video classifier's method did with one clip of a video.

    Args:
        label: what the clip shows, and with what probability.
        full_label: the same by the full classifier.
    """

    label: tuple[str, float]
    full_label: tuple[str, float]

    def verdict(self) -> str:
        """Labels with and without the method, in a line."""
        (label, probability), (full, full_probability) = self.label, self.full_label
        return f"{label} {probability:.2f} (in full: {full} {full_probability:.2f})"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, without the pictures."""
        names = ("label", "probability")
        return {
            **super().to_json(),
            "label": dict(zip(names, self.label, strict=True)),
            "full_label": dict(zip(names, self.full_label, strict=True)),
        }


def explain_clip(
    path: Path, classifier: VideoClassifier, *, start_s: float | None = None, end_s: float | None = None
) -> ClipExplanation:
    """Classify the clip in the middle of a video, or of a part of it, and note which tokens are left.

    Args:
        path: a local file.
        classifier: its model and method.
        start_s: leave out what is before this time on the file's clock.
        end_s: leave out what is at or after this time.

    Raises:
        VideoError: it cannot be read.
        SettingsError: no frame between these times, or the method does not suit the model's clips.
    """
    views = classifier.find_views("one")
    clip, rows = read_rows(
        path,
        views,
        length=classifier.frames,
        start_s=start_s,
        end_s=end_s,
        short_side=classifier.preparation.reading_side,
    )
    (pixels,) = classifier.prepare(clip, rows, views)
    logits, trail = classifier.logits(pixels[None], trace=True)
    full = classifier.with_method("full")
    config, size = classifier.trunk.config, (pixels.shape[1], pixels.shape[2], pixels.shape[3])
    grid = _grid(classifier, size)
    starts = torch.arange(grid[0]) * (size[0] // grid[0])  # a slice's first frame
    pictures: list[Picture] = list(as_seen(pixels[:, starts].transpose(0, 1), classifier.preparation))
    return ClipExplanation(
        method=describe_method(classifier),
        times_s=clip.times_s[rows[0][starts.numpy()]],
        pictures=np.stack(pictures),
        stages=[_read_stage(place, grid) for place in trail],
        tokens=prod(grid),
        macs=classifier.method.macs(config, size, trail),
        full_macs=full.method.macs(config, size),
        label=_best(classifier, logits),
        full_label=_best(classifier, full.logits(pixels[None])),
    )


def _grid(classifier: VideoClassifier, size: Grid) -> Grid:
    """Slices, rows and columns of what is dropped as one: tokens, or cells of Video Swin's last stage."""
    trunk = classifier.trunk
    return trunk.config.stage_sizes(size)[-1] if isinstance(trunk, VideoSwin) else trunk.config.grid(*size)


def _best(classifier: VideoClassifier, logits: torch.Tensor) -> tuple[str, float]:
    best = logits[0].softmax(dim=0).max(dim=0)
    return classifier.labels[int(best.indices)], float(best.values)


def _read_stage(place: Pruned | MergedTokens | Dropped, grid: Grid) -> ClipStage:
    """What one record of a trail says of the first clip."""
    if isinstance(place, MergedTokens):
        slots = place.slots[0].cpu().numpy()
        merged = np.bincount(slots)[slots] > 1
        fates = np.where(merged, MERGED, COMPUTED)
        return ClipStage(
            f"after block {place.layer + 1}",
            1,
            _shaped(fates, grid),
            np.where(merged, slots, -1).reshape(grid),
        )
    kept = place.original if isinstance(place, Pruned) else place.kept
    fates = np.full(prod(grid), DROPPED)
    fates[kept[0].cpu().numpy()] = COMPUTED
    none = np.full(grid, -1, np.int64)
    if isinstance(place, Pruned):
        return ClipStage(f"after block {place.layer + 1}", place.groups, _shaped(fates, grid), none)
    return ClipStage(
        f"before stage {place.stage + 1}", grid[0] >> place.stage - 1, _shaped(fates, grid), none
    )


def _shaped(fates: npt.NDArray[np.int64], grid: Grid) -> Fates:
    return fates.astype(np.int8).reshape(grid)
