"""Label-free distillation of a residual tokenizer: P-frames learn to say what the full encoder says.

Source: Soldan et al., ResidualViT, ICCV 2025; the loss here is feature regression, which needs no text.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vidskim.errors import SettingsError
from vidskim.methods.residual import TOKENIZER_FILE, InsertToken, ResidualTokenizer, save_tokenizer
from vidskim.models.checkpoint import build_vision, read_checkpoint
from vidskim.models.vit import VisionTransformer, unit
from vidskim.pipeline.hub import resolve
from vidskim.tokens.select import kept_count, top
from vidskim.train.distributed import joined
from vidskim.train.loop import FitReport, LoopSettings, StepReport, fit
from vidskim.train.losses import feature_regression
from vidskim.train.scenes import Groups
from vidskim.video.motion import pixel_difference

RECIPE = LoopSettings(steps=1500, learning_rate=3e-3, warmup_steps=30, workers=1)
DEPTH = 2  # linear layers; the published tokenizer has 1
VALIDATION_SEED = 1_000_003
VALIDATION_BATCHES = 4


class Student(nn.Module):
    """A frozen vision tower, and the tokenizer that is trained.

    Args:
        trunk: the backbone; teacher and student share it.
        depth: linear layers of the tokenizer.
        mean: of the preparation [3], pixels in 0..1.
        std: of the preparation [3].
        seed: of the tokenizer's first weights.
    """

    def __init__(
        self,
        trunk: VisionTransformer,
        *,
        depth: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        seed: int,
    ) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.tokenizer = ResidualTokenizer(dim=trunk.config.dim, width=trunk.config.width, depth=depth)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, frames: Tensor, chosen: Tensor | None, keep: float) -> tuple[Tensor, Tensor, Tensor]:
        """Groups of one I-frame and its P-frames, uint8 [b, 1 + n, y, x, 3].

        Args:
            frames: the groups.
            chosen: scores to choose patches by [b n, patches], or None for the pixels' change against the I-frame.
            keep: share of patches.

        Returns:
            Unit vectors of the P-frames [b n, d]: the student's, the full encoder's, and the I-frame's copied.
        """
        b, t = frames.shape[:2]
        pixels = (
            ((frames.float() / 255 - self.mean) / self.std).flatten(0, 1).permute(0, 3, 1, 2).contiguous()
        )
        with torch.no_grad():
            full = unit(self.trunk(self.trunk.embed(pixels))).view(b, t, -1)
        grouped = pixels.view(b, t, *pixels.shape[1:])
        between = grouped[:, 1:].flatten(0, 1)
        if chosen is None:
            anchors = grouped[:, :1].expand_as(grouped[:, 1:]).flatten(0, 1)
            chosen = pixel_difference(between, anchors, std=self.std, grid=self.trunk.config.grid)
        kept = top(chosen, kept_count(self.trunk.config.patches, keep))
        copied = full[:, :1].expand(-1, t - 1, -1).flatten(0, 1)
        tokens = self.tokenizer(full[:, 0]).repeat_interleave(t - 1, dim=0)
        x = self.trunk.embed(between, kept)
        student = unit(self.trunk(x, InsertToken(tokens.to(x.dtype))))
        return student, full[:, 1:].flatten(0, 1), copied


@dataclass(frozen=True, kw_only=True)
class DistillTask:
    """A `Task`: bring the P-frames' features to the full encoder's.

    Half of the batches drop patches by chance, as published; the others as `method="residual"` does by default, by the
    pixels' change, so that the tokenizer is trained on what it will meet.
    """

    model: Student
    source: Groups
    keep: float
    backbone: str

    @property
    def settings(self) -> dict[str, object]:
        """See `Task.settings`."""
        return {
            "backbone": self.backbone,
            "depth": self.model.tokenizer.depth,
            "groups": self.source.batch,
            "interleave": self.source.interleave,
            "keep": self.keep,
        }

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """See `Task.loss`."""
        frames = batch["frames"]
        count = frames.shape[0] * (frames.shape[1] - 1)
        by_chance = torch.rand((), generator=generator) < 0.5
        scores = torch.rand(count, self.model.trunk.config.patches, generator=generator)
        student, teacher, copied = model(frames, scores.to(frames.device) if by_chance else None, self.keep)
        return feature_regression(student, teacher), {"copy": feature_regression(copied, teacher)}


def make_task(
    source: str | Path, *, interleave: int, keep: float, depth: int, batch: int, seed: int
) -> DistillTask:
    """The task before its first step.

    Raises:
        CheckpointError: the model does not load.
        SettingsError: a value is out of range.
    """
    kept_count(1, keep)
    for name, value in {"interleave": interleave, "depth": depth, "batch": batch}.items():
        if value < 1:
            raise SettingsError(f"{name} must be 1 or more, received {value}")
    checkpoint = read_checkpoint(resolve(source))
    preparation = checkpoint.preparation
    student = Student(
        build_vision(checkpoint), depth=depth, mean=preparation.mean, std=preparation.std, seed=seed
    )
    groups = Groups(image=checkpoint.vision.image, interleave=interleave, batch=batch, seed=seed)
    return DistillTask(model=student, source=groups, keep=keep, backbone=checkpoint.weights_hash)


def validate(task: DistillTask) -> dict[str, float]:
    """Mean cosine of P-frames to the full encoder on unseen scenes, with `copy` and random patches beside it."""
    source = replace(task.source, seed=VALIDATION_SEED)
    device = task.model.mean.device
    sums: dict[str, list[float]] = {"cosine": [], "cosine_random": [], "cosine_copy": []}
    with torch.inference_mode():
        for number in range(VALIDATION_BATCHES):
            frames = source[number]["frames"].to(device)
            count = frames.shape[0] * (frames.shape[1] - 1)
            noise = torch.rand(
                count, task.model.trunk.config.patches, generator=torch.Generator().manual_seed(number)
            )
            student, teacher, copied = task.model(frames, None, task.keep)
            by_chance, *_ = task.model(frames, noise.to(device), task.keep)
            for name, vectors in zip(sums, (student, by_chance, copied), strict=True):
                sums[name].append(1 - float(feature_regression(vectors, teacher)))
    return {name: float(np.mean(values)) for name, values in sums.items()}


def train_distill(
    model: str | Path,
    out: Path,
    settings: LoopSettings,
    *,
    interleave: int = 2,
    keep: float = 0.15,
    depth: int = DEPTH,
    batch: int = 64,
    on_step: Callable[[StepReport], None] | None = None,
) -> FitReport:
    """Distil a residual tokenizer for a model, or go on where `out` stands.

    Args:
        model: as `load_model`'s source.
        out: folder of the training; the result is `out`/residual_tokenizer.safetensors.
        settings: of the loop; `RECIPE` is what the bundled one was made with.
        interleave: P-frames in each group.
        keep: share of patches kept in a P-frame.
        depth: linear layers of the tokenizer; the published one has 1.
        batch: groups in each batch of one process.
        on_step: called after each step.

    Raises:
        CheckpointError: the model does not load.
        SettingsError: a value is out of range, or `out` holds another training.
    """
    task = make_task(model, interleave=interleave, keep=keep, depth=depth, batch=batch, seed=settings.seed)
    with joined(settings.device) as ranks:
        report = fit(task, settings, out, on_step=on_step, on_checkpoint=lambda step: validate(task))
        if ranks.is_first:
            save_tokenizer(out / TOKENIZER_FILE, task.model.tokenizer, backbone=task.backbone)
    return report
