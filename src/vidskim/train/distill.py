"""Distillation of a residual tokenizer: P-frames learn to say what the full encoder says. The model stays as it is.

Source: Soldan et al., ResidualViT, ICCV 2025; feature regression, which needs no text, is ours.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vidskim.errors import CheckpointError
from vidskim.methods.residual import TOKENIZER_FILE, save_tokenizer
from vidskim.models.checkpoint import build_vision, read_checkpoint
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.hub import resolve
from vidskim.pipeline.load import load_encoder
from vidskim.pipeline.progress import Progress
from vidskim.train.distributed import Ranks, gather_rows, joined
from vidskim.train.footage import FootageGroups, open_footage
from vidskim.train.loop import FitReport, LoopSettings, StepReport, fit
from vidskim.train.losses import caption_loss, caption_loss_both_ways, feature_mse, feature_regression
from vidskim.train.recipe import Distillation
from vidskim.train.record import ValidationRecord
from vidskim.train.scenes import Groups
from vidskim.train.student import Student
from vidskim.train.validation import HeldOut, Validation, held_out_footage, held_out_scenes

CACHE = "cache"


@dataclass(frozen=True, kw_only=True)
class DistillTask:
    """A `Task`: bring the P-frames' features to the full encoder's.

    Args:
        model: the student.
        source: batches of groups.
        loss_name: see `Distillation`.
        scale: the teacher's inverse temperature, for losses with captions.
        settings: see `Task.settings`.
    """

    model: Student
    source: Groups | FootageGroups
    loss_name: str
    scale: float
    settings: Mapping[str, object]

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """See `Task.loss`; "copy" is what copying the I-frame's feature would have as feature regression."""
        frames = batch["frames"]
        features = batch["features"] if "features" in batch else self.model.encode_full(frames)
        anchors, teacher = features[:, 0], features[:, 1:]
        student = model(frames[:, 1:], batch["kept"], anchors)
        copied = feature_regression(anchors[:, None].expand_as(teacher), teacher)
        return self._compare(student, teacher, batch), {
            "copy": copied,
            "regression": feature_regression(student.detach(), teacher),
        }

    def _compare(self, student: Tensor, teacher: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        if self.loss_name == "regression":
            return feature_regression(student, teacher)
        if self.loss_name == "mse":
            return feature_mse(student, teacher)
        texts = gather_rows(batch["texts"])
        if self.loss_name == "ce":
            return caption_loss(student, teacher, texts, self.scale)
        return caption_loss_both_ways(gather_rows(student), gather_rows(teacher), texts, self.scale)


def make_task(
    what: Distillation,
    out: Path,
    *,
    encoder: VideoEncoder,
    seed: int,
    ranks: int = 1,
    on_video: Callable[[Progress], None] = lambda progress: None,
) -> tuple[DistillTask, list[HeldOut]]:
    """The task before its first step, and what is held out from it; footage is prepared and encoded on the way.

    Args:
        what: is distilled.
        out: folder of the training; footage is kept in `out`/cache.
        encoder: of the same model, with method "full".
        seed: of weights and batches.
        ranks: processes that train together.
        on_video: called after each video.

    Raises:
        CheckpointError: the model does not load, or lacks what the loss needs.
        SettingsError: a value is out of range.
        TrainingError: not one video could be read.
    """
    checkpoint = read_checkpoint(resolve(what.model), config=what.config)
    scale = _scale(checkpoint.logit_scale, encoder) if what.needs_captions else 1.0
    student = Student(
        build_vision(checkpoint), depth=what.depth, preparation=checkpoint.preparation, seed=seed
    )
    stream: dict[str, Any] = {
        "ranges": what.ranges,
        "grid": checkpoint.vision.grid,
        "batch": what.batch,
        "seed": seed,
        "together": ranks,
    }
    source: Groups | FootageGroups
    if what.videos:
        source, rest = open_footage(what, out / CACHE, encoder=encoder, stream=stream, on_video=on_video)
        held_out, footage = held_out_footage(rest), source.digest()
    else:
        source = Groups(image=checkpoint.vision.image, fps=what.fps, **stream)
        held_out, footage = held_out_scenes(image=checkpoint.vision.image, fps=what.fps), "rendered scenes"
    settings = {
        "backbone": checkpoint.weights_hash,
        "depth": what.depth,
        "groups": what.batch,
        "loss": what.loss,
        "footage": footage,
        **what.ranges.to_dict(),
    }
    return DistillTask(
        model=student, source=source, loss_name=what.loss, scale=scale, settings=settings
    ), held_out


def _scale(logit_scale: float | None, encoder: VideoEncoder) -> float:
    """The teacher's inverse temperature.

    Raises:
        CheckpointError: it has none, as it knows no text.
    """
    if logit_scale is None or encoder.text is None:
        raise CheckpointError(
            f"{encoder.fingerprint.model} has no text tower, which losses with captions need; use --loss regression"
        )
    return math.exp(logit_scale)


def train_distill(
    what: Distillation,
    out: Path,
    loop: LoopSettings,
    *,
    on_step: Callable[[StepReport], None] | None = None,
    on_video: Callable[[Progress], None] = lambda progress: None,
) -> FitReport:
    """Distil a residual tokenizer for a model, or go on where `out` stands.

    Beside the loop's files `out` then holds residual_tokenizer.safetensors, the result; validation.json, how it does on
    what was held out before and after; and cache/, the footage as prepared, which may be removed.

    Args:
        what: is distilled, from what.
        out: folder of the training.
        loop: how; `RECIPES` has some.
        on_step: called after each step.
        on_video: called after each video that is prepared.

    Raises:
        CheckpointError: the model does not load, or lacks what the loss needs.
        SettingsError: a value is out of range, or `out` holds another training.
        TrainingError: not one video could be read.
    """
    with joined(loop.device) as ranks:
        encoder = load_encoder(what.model, config=what.config, device=ranks.device, dtype=loop.precision)
        with ranks.first_goes_first():  # it fills the cache for all
            task, held_out = make_task(
                what,
                out,
                encoder=encoder,
                seed=loop.seed,
                ranks=ranks.count,
                on_video=on_video if ranks.is_first else lambda progress: None,
            )
        loop = _with_epochs(loop, what, task.source, ranks)
        if ranks.is_first:
            validation = Validation(held_out, encoder=encoder, ranges=what.ranges)
            report = _fit_first(task, loop, out, what=what, validation=validation, on_step=on_step)
        else:
            report = fit(task, loop, out)
        ranks.wait()  # until the first one has written all
    return report


def _fit_first(
    task: DistillTask,
    loop: LoopSettings,
    out: Path,
    *,
    what: Distillation,
    validation: Validation,
    on_step: Callable[[StepReport], None] | None,
) -> FitReport:
    """Train and write what comes out, as the first rank."""
    made_for = {**task.settings, "seed": loop.seed, "steps": loop.steps}
    record = ValidationRecord(out, task.model.tokenizer, made_for=made_for, validation=validation)
    report = fit(task, loop, out, on_step=on_step, on_checkpoint=record.validate)
    record.finish()
    notes = {"loss": what.loss, "steps": loop.steps, "footage": task.settings["footage"]}
    save_tokenizer(
        out / TOKENIZER_FILE,
        task.model.tokenizer,
        backbone=str(task.settings["backbone"]),
        notes={name: json.dumps(value) for name, value in {**notes, **what.ranges.to_dict()}.items()},
    )
    return report


def _with_epochs(
    loop: LoopSettings, what: Distillation, source: Groups | FootageGroups, ranks: Ranks
) -> LoopSettings:
    """The loop's steps, from epochs if those were given; a group of N + 1 frames counts as so many."""
    if what.epochs is None or isinstance(source, Groups):
        return loop
    frames_a_step = what.batch * ranks.count * (1 + sum(what.ranges.interleave) / 2)
    steps = max(1, math.ceil(what.epochs * source.frames / frames_a_step))
    return replace(loop, steps=steps, warmup_steps=min(loop.warmup_steps, steps // 5))
