"""A small CLIP trained from nothing on the synthetic world: the recipe of the bundled model."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vidskim.models.export import save_checkpoint
from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.variants import TextConfig, VitConfig
from vidskim.models.vit import VisionTransformer, unit
from vidskim.pipeline.load import NOTES_FILE
from vidskim.synth.captions import all_phrases
from vidskim.synth.vocabulary import Split
from vidskim.train.distributed import gather_rows, joined
from vidskim.train.initialise import initialise
from vidskim.train.loop import FitReport, LoopSettings, StepReport, fit
from vidskim.train.losses import contrastive_loss
from vidskim.train.scenes import Moments
from vidskim.video.prepare import Preparation

RECIPE = LoopSettings(steps=2000, learning_rate=1e-3, warmup_steps=100, weight_decay=0.05, workers=1)
# Afterwards the text tower alone learns to keep away from images what the world does not have.
FOREIGN_SHARE = 0.5  # such texts for each image
FOREIGN_STEPS, FOREIGN_RATE = 0.2, 0.3  # steps and learning rate, as shares of the first part's
EMBED, CONTEXT = 256, 32
MERGES = 600  # more than the captions need: every word of theirs is one token
POOL = 50  # captions in a validation question
VALIDATION_SEED = 1_000_003


def small_vision() -> VitConfig:
    """The bundled image tower: 49 patches of 16 pixels, as many as CLIP B/32 has; 2.9 M parameters."""
    return VitConfig(
        width=192,
        layers=6,
        heads=3,
        patch=16,
        image=112,
        hidden=768,
        activation="gelu",
        eps=1e-5,
        embed=EMBED,
        norm_pre=True,
        patch_bias=False,
    )


def small_text(tokenizer: Tokenizer) -> TextConfig:
    """The bundled text tower; 0.7 M parameters."""
    return TextConfig(
        width=128,
        layers=3,
        heads=2,
        hidden=512,
        context=CONTEXT,
        vocabulary=tokenizer.vocabulary,
        embed=EMBED,
        activation="gelu",
        eps=1e-5,
    )


class DualEncoder(nn.Module):
    """Image and text tower with CLIP's learnt temperature."""

    def __init__(self, vision: VitConfig, text: TextConfig, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.vision, self.text = VisionTransformer(vision), TextTransformer(text)
        initialise(self.vision, generator)
        initialise(self.text, generator)
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / 0.07)))
        preparation = Preparation.clip(size=vision.image)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(preparation.mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(preparation.std) * 255, persistent=False)

    def forward(self, pixels: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images uint8 [b, y, x, 3] and token ids [b, n] -> unit vectors [b, d] twice, and the inverse temperature."""
        normal = ((pixels.float() - self.mean) / self.std).permute(0, 3, 1, 2).contiguous()  # b c y x
        images = unit(self.vision(self.vision.embed(normal)))
        texts = unit(self.text(ids))
        return images, texts, self.logit_scale.clamp(max=log(100)).exp()


@dataclass(frozen=True, kw_only=True)
class ContrastiveTask:
    """A `Task`: tell each image's caption from the others of its batch."""

    model: DualEncoder
    source: Moments

    @property
    def settings(self) -> dict[str, object]:
        """See `Task.settings`."""
        return {"batch": self.source.batch, "foreign": self.source.foreign}

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """See `Task.loss`."""
        images, texts, scale = model(batch["pixels"], batch["ids"])
        captions, foreign = texts[: len(images)], texts[len(images) :]
        candidates = torch.cat([gather_rows(captions), gather_rows(foreign)])
        return contrastive_loss(gather_rows(images), candidates, scale), {"scale": scale.detach()}


def make_task(*, batch: int, seed: int) -> ContrastiveTask:
    """The bundled model before its first step.

    Args:
        batch: images in each batch of one process.
        seed: of weights and scenes.
    """
    tokenizer = Tokenizer.learn(all_phrases(), merges=MERGES)
    vision = small_vision()
    model = DualEncoder(vision, small_text(tokenizer), seed=seed)
    source = Moments(tokenizer=tokenizer, image=vision.image, context=CONTEXT, batch=batch, seed=seed)
    return ContrastiveTask(model=model, source=source)


def validate(task: ContrastiveTask, *, batches: int = 8) -> dict[str, float]:
    """How often an unseen image's caption is first among `POOL`, the mean loss there, and what is no match.

    Scenes come from the validation split. Chance is 1 / POOL. "foreign_best" is the mean over foreign texts of the best
    cosine among `POOL` images, which should be low. "min_score" lies half way between what 95 % of true captions reach
    and what 95 % of foreign texts do not.
    """
    source = replace(task.source, batch=POOL, foreign=POOL, split=Split.VALIDATION, seed=VALIDATION_SEED)
    device = task.model.logit_scale.device
    first, losses = [], []
    true: list[float] = []
    foreign: list[float] = []
    with torch.inference_mode():
        for number in range(batches):
            batch = source[number]
            images, texts, scale = task.model(batch["pixels"].to(device), batch["ids"].to(device))
            cosines = images @ texts.T  # image, caption or foreign text
            truth = torch.arange(POOL, device=device)
            first.append((cosines[:, :POOL].argmax(dim=1) == truth).float().mean().item())
            losses.append(contrastive_loss(images, texts[:POOL], scale).item())
            true += cosines.diagonal().tolist()
            foreign += cosines[:, POOL:].max(dim=0).values.tolist()
    return {
        "validation_r1": float(np.mean(first)),
        "validation_loss": float(np.mean(losses)),
        "foreign_best": float(np.mean(foreign)),
        "min_score": float(np.quantile(true, 0.05) + np.quantile(foreign, 0.95)) / 2,
    }


def train_contrastive(
    out: Path,
    settings: LoopSettings,
    *,
    batch: int = 256,
    on_step: Callable[[StepReport], None] | None = None,
) -> tuple[FitReport, FitReport]:
    """Train the bundled model's towers, or go on where `out` stands, and write them to `out`/model.

    First both towers learn to match; then, with the image tower as it is, the text tower learns that texts about other
    things match nothing (a fifth of the steps).

    Args:
        out: folder of the training; checkpoints, metrics.jsonl, the same of the second part in `out`/foreign, and the
            model as a Hugging Face CLIP folder in float16.
        settings: of the loop; `RECIPE` is what the bundled model was made with.
        batch: images in each batch of one process.
        on_step: called after each step.

    Returns:
        Reports of both parts.
    """
    task = make_task(batch=batch, seed=settings.seed)
    foreign = max(1, round(FOREIGN_SHARE * batch))
    later = replace(task, source=replace(task.source, foreign=foreign, seed=settings.seed + 1))
    steps, rate = max(1, round(FOREIGN_STEPS * settings.steps)), FOREIGN_RATE * settings.learning_rate
    second = replace(settings, steps=steps, warmup_steps=steps // 20, learning_rate=rate)
    with joined(settings.device) as ranks:
        first = fit(task, settings, out, on_step=on_step, on_checkpoint=lambda step: validate(task))
        task.model.vision.requires_grad_(False)
        task.model.logit_scale.requires_grad_(False)
        last = fit(
            later, second, out / "foreign", on_step=on_step, on_checkpoint=lambda step: validate(later)
        )
        if ranks.is_first:
            export(task, out / "model", min_score=last.metrics["min_score"])
    return first, last


def export(
    task: ContrastiveTask,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float16,
    min_score: float | None = None,
) -> None:
    """Write the model as a Hugging Face CLIP folder with its tokenizer; `load_model(folder)` reads it.

    Args:
        task: its model is written.
        folder: made if need be.
        dtype: of the weights in the file.
        min_score: cosine below which nothing matches, kept in `NOTES_FILE`; None leaves it out.
    """
    model = task.model
    vision, text = VisionTransformer(model.vision.config), TextTransformer(model.text.config)
    vision.load_state_dict(model.vision.state_dict())
    text.load_state_dict(model.text.state_dict())
    scale = float(model.logit_scale.detach().clamp(max=log(100)))
    save_checkpoint(folder, vision.to(dtype), text.to(dtype), logit_scale=scale)
    task.source.tokenizer.save(folder / "tokenizer.json")
    if min_score is not None:
        (folder / NOTES_FILE).write_text(
            json.dumps({"min_score": round(min_score, 3)}) + "\n", encoding="utf-8"
        )
