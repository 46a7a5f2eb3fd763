"""Training of a video classifier on labelled videos, or on rendered actions."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidskim.disk import writing
from vidskim.errors import SettingsError, TrainingError
from vidskim.models.export import save_video_checkpoint
from vidskim.models.video_vit import VideoTransformer
from vidskim.pipeline.load import torch_dtype
from vidskim.train.curriculum import Recognition
from vidskim.train.data import Source
from vidskim.train.distributed import Ranks, joined
from vidskim.train.lessons import Lessons, open_lessons
from vidskim.train.loop import FitReport, LoopSettings, StepReport, fit
from vidskim.train.thinned import Thinned
from vidskim.video.prepare import Preparation

MODEL, RESULT_FILE = "model", "result.json"
MEANS = ("top1", "top5", "loss")
MODEL_DTYPE = torch.float16  # of the weights that are written


class ClipClassifier(nn.Module):
    """A video transformer that takes frames as they are read.

    Args:
        trunk: with a head.
        preparation: whose mean and deviation normalise the frames; they come cropped.
    """

    def __init__(self, trunk: VideoTransformer, preparation: Preparation) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(preparation.mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(preparation.std) * 255, persistent=False)

    def forward(self, clips: Tensor, kept: Tensor | None = None) -> Tensor:
        """Clips uint8 [b, t, y, x, 3] -> logits [b, classes], of the tokens `kept` [b, m] or of all."""
        normal = ((clips.float() - self.mean) / self.std).permute(0, 4, 1, 2, 3)  # b c t y x
        tokens = self.trunk.embed(normal)
        if kept is not None:
            tokens = tokens.gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[2]))
        out: Tensor = self.trunk(tokens)
        return out


@dataclass(frozen=True, kw_only=True)
class RecognitionTask:
    """A `Task`: name the class of each clip.

    Args:
        model: what learns.
        source: batches with "clips" and "labels", and "kept" where not all tokens are looked at.
        smoothing: share of the target that is spread over all classes.
        settings: see `Task.settings`.
    """

    model: ClipClassifier
    source: Source
    smoothing: float
    settings: Mapping[str, object]

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """See `Task.loss`; "top1" is the share of right answers."""
        logits = model(batch["clips"], batch.get("kept")).float()
        loss = F.cross_entropy(logits, batch["labels"], label_smoothing=self.smoothing)
        return loss, {"top1": (logits.detach().argmax(dim=1) == batch["labels"]).float().mean()}


def train_recognition(
    what: Recognition,
    out: Path,
    loop: LoopSettings,
    *,
    on_step: Callable[[StepReport], None] | None = None,
) -> FitReport:
    """Train a video classifier, or go on where `out` stands.

    Beside the loop's files `out` then holds model/, a Hugging Face VideoMAE folder with the names of the classes, which
    `load_model` reads; and result.json: what it gets right of the clips it did not learn from, in full, with one frame
    only, and with its frames in another order.

    Args:
        what: is trained, on what.
        out: folder of the training.
        loop: how; `curriculum` has recipes.
        on_step: called after each step.

    Raises:
        CheckpointError: the model does not load, or is none that can be trained.
        SettingsError: a value is out of range, lists do not fit, or `out` holds another training.
        TrainingError: videos cannot be read, or the loss is not finite.
    """
    with joined(loop.device) as ranks:
        lessons = open_lessons(what, seed=loop.seed)
        loop = _with_epochs(loop, what, lessons, ranks)
        task = _make_task(what, lessons, loop, ranks)
        if ranks.is_first:
            exam = Exam(task.model, torch_dtype(loop.precision, ranks.device))
            report = fit(
                task, loop, out, on_step=on_step, on_checkpoint=lambda step: exam.means(lessons.validation)
            )
            _finish(exam, lessons, out)
        else:
            report = fit(task, loop, out)
        ranks.wait()  # until the first one has written all
    return report


def read_result(out: Path) -> dict[str, dict[str, float]]:
    """What a training that has ended left in result.json.

    Raises:
        SettingsError: there is none.
    """
    try:
        result: dict[str, dict[str, float]] = json.loads((out / RESULT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{out}: no {RESULT_FILE} ({error}); expected the folder of `vidskim train recognition`"
        ) from error
    return result


@dataclass(frozen=True)
class Exam:
    """Asks a model what clips show that it did not learn from.

    Args:
        model: in eval mode when it is asked.
        dtype: what is computed in.
    """

    model: ClipClassifier
    dtype: torch.dtype

    def score(
        self, asked: tuple[Source, int], *, change: Callable[[Tensor], Tensor] = lambda clips: clips
    ) -> dict[str, float]:
        """How often the right class comes first, and among the first five.

        Args:
            asked: batches of "clips" and "labels", and how many.
            change: what is done to the clips [b, t, y, x, 3] first.

        Returns:
            "top1", "top5" and "loss", means over "clips"; how many of those there were, and how many are "unreadable".

        Raises:
            TrainingError: not one clip could be read.
        """
        source, batches = asked
        sums, count, unreadable = torch.zeros(3, dtype=torch.float64), 0, 0
        for number in range(batches):
            batch = source[number]
            labels = batch["labels"]
            unreadable += int(batch.get("unreadable", 0))
            if not len(labels):
                continue
            logits = self._logits(change(batch["clips"]))
            right = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
            loss = F.cross_entropy(logits, labels, reduction="sum")
            sums += torch.stack([right[:, 0].sum(), right.sum(), loss]).double()
            count += len(labels)
        if not count:
            raise TrainingError(f"none of the {unreadable} videos that were held out could be read")
        means = dict(zip(MEANS, (sums / count).tolist(), strict=True))
        return {**means, "clips": count, "unreadable": unreadable}

    def means(self, asked: tuple[Source, int]) -> dict[str, float]:
        """What of the score belongs into a curve."""
        score = self.score(asked)
        return {name: score[name] for name in MEANS}

    def _logits(self, clips: Tensor) -> Tensor:
        device = self.model.mean.device
        with (
            torch.inference_mode(),
            torch.autocast(device.type, dtype=self.dtype, enabled=self.dtype != torch.float32),
        ):
            out: Tensor = self.model(clips.to(device)).float().cpu()
        return out


def freeze(clips: Tensor) -> Tensor:
    """Clips [b, t, y, x, 3] that show their middle frame all the time."""
    middle = clips.shape[1] // 2
    return clips[:, middle : middle + 1].expand_as(clips)


def shuffle(clips: Tensor) -> Tensor:
    """Clips [b, t, y, x, 3] with their frames in another order, the same for all of them."""
    order = torch.randperm(clips.shape[1], generator=torch.Generator().manual_seed(0))
    return clips[:, order]


def _make_task(what: Recognition, lessons: Lessons, loop: LoopSettings, ranks: Ranks) -> RecognitionTask:
    until = round(what.thinned * loop.steps) * loop.accumulate * ranks.count
    source: Source = lessons.source
    if what.keep < 1:
        source = Thinned(
            source=source, config=lessons.trunk.config, keep=what.keep, until=until, seed=loop.seed
        )
    settings = {
        "model": "nothing" if what.model is None else str(what.model),
        "trunk": str(lessons.trunk.config),
        "clips": what.batch,
        "keep": what.keep,
        "thinned": what.thinned,
        "smoothing": what.smoothing,
        "sampling": [what.sampling, what.stride],
        "augmentation": [what.least_crop, what.mirror],
        "footage": lessons.footage,
    }
    model = ClipClassifier(lessons.trunk, lessons.preparation)
    return RecognitionTask(model=model, source=source, smoothing=what.smoothing, settings=settings)


def _finish(exam: Exam, lessons: Lessons, out: Path) -> None:
    """Write the model, and what it can do."""
    model = exam.model.eval()
    trunk = VideoTransformer(model.trunk.config)
    trunk.load_state_dict(model.trunk.state_dict())
    save_video_checkpoint(
        out / MODEL,
        trunk.to(MODEL_DTYPE),
        labels=lessons.classes,
        preparation=lessons.preparation,
        views=lessons.views,
    )
    asked = {"validation": lessons.validation} | ({} if lessons.test is None else {"test": lessons.test})
    result = {
        name: {
            **exam.score(clips),
            "one_frame": exam.score(clips, change=freeze)["top1"],
            "shuffled": exam.score(clips, change=shuffle)["top1"],
        }
        for name, clips in asked.items()
    }
    with writing(out / RESULT_FILE) as file:
        file.write(json.dumps(result, indent=2).encode() + b"\n")


def _with_epochs(loop: LoopSettings, what: Recognition, lessons: Lessons, ranks: Ranks) -> LoopSettings:
    """The loop's steps, from epochs if those were given."""
    if what.epochs is None or lessons.videos is None:
        return loop
    steps = max(1, math.ceil(what.epochs * lessons.videos / (what.batch * loop.accumulate * ranks.count)))
    return replace(loop, steps=steps, warmup_steps=min(loop.warmup_steps, steps // 5))
