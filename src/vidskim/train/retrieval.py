"""Training of text-video retrieval: a CLIP whose frames see each other learns which sentence belongs to which video."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vidskim.errors import CheckpointError
from vidskim.methods.tempme import make_tempme
from vidskim.models.adapter import Adapter, find_adapter, read_adapter
from vidskim.models.checkpoint import Checkpoint, build_text, build_vision, read_checkpoint
from vidskim.models.weights import hash_weights
from vidskim.pipeline.hub import resolve
from vidskim.pipeline.load import read_tokenizer, torch_dtype
from vidskim.tokens.cosine import cosines
from vidskim.train.captioned import CaptionedClips, open_captioned
from vidskim.train.data import Source
from vidskim.train.distributed import Ranks, gather_rows, joined
from vidskim.train.loop import FitReport, LoopSettings, StepReport, fit
from vidskim.train.losses import contrastive_loss
from vidskim.train.pairs import Pairs, RenderedPairs, Texts, open_rendered
from vidskim.train.randaugment import RandAugment
from vidskim.train.retriever import Retriever
from vidskim.train.selection import Exam, Selection
from vidskim.train.syllabus import EACH, PAPER_BATCH, RENDERED_BATCH, WARM_UP, Retrieval

_log = logging.getLogger("vidskim")


@dataclass(frozen=True, kw_only=True)
class RetrievalTask:
    """A `Task`: tell each video's sentence from the others of the batch, and each sentence's video.

    Args:
        model: what learns.
        checkpoint: it came from.
        texts: how sentences become token ids.
        pairs: what is learnt from, and what is held out.
        settings: see `Task.settings`.
    """

    model: Retriever
    checkpoint: Checkpoint
    texts: Texts
    pairs: Pairs
    settings: Mapping[str, object]

    @property
    def source(self) -> Source:
        """See `Task.source`: batches of "frames" and "ids"."""
        return self.pairs.source

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """See `Task.loss`; "batch_r1" is the share of videos whose own sentence comes first in the batch.

        Source: TempMe's loss, symmetric cross-entropy over the batch of all processes, with exact gradients; that a
        video which comes twice is no rival of itself is ours.
        """
        videos, texts, scale = model(batch["frames"], batch["ids"])
        videos, texts, owners = gather_rows(videos), gather_rows(texts), gather_rows(batch["owners"])
        first = cosines(videos.detach(), texts.detach()).argmax(dim=1)
        right = owners[first] == owners
        return contrastive_loss(videos, texts, scale, owners=owners), {"batch_r1": right.float().mean()}


def train_retrieval(
    what: Retrieval,
    out: Path,
    loop: LoopSettings,
    *,
    on_step: Callable[[StepReport], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> FitReport:
    """Train a retrieval model, or go on where `out` stands.

    Beside the loop's files `out` then holds tempme_adapter.safetensors, what was learnt, as it was when it was best on
    the videos held out (or model/, where all weights learn: the model with that file in it); and result.json, with
    those scores and what the frames alone reach without training.

    Args:
        what: is trained, on what.
        out: folder of the training.
        loop: how; `syllabus` has recipes.
        on_step: called after each step.
        on_note: told, on the first rank, what takes long before the first step.

    Raises:
        CheckpointError: the model does not load, has no text tower, or has an adapter inside.
        SettingsError: a value is out of range, or `out` holds another training.
        TrainingError: videos cannot be read, or the loss is not finite.
    """
    with joined(loop.device) as ranks:
        task = make_task(what, seed=loop.seed)
        loop = _with_epochs(loop, what, task.pairs, ranks)
        if ranks.is_first:
            selection = _select(task, what, out, loop, ranks)
            selection.begin(on_note)
            report = fit(task, loop, out, on_step=on_step, on_checkpoint=selection.validate)
        else:
            report = fit(task, loop, out)
        ranks.wait()  # until the first one has written all
    return report


def make_task(what: Retrieval, *, seed: int) -> RetrievalTask:
    """The task before its first step.

    Args:
        what: is trained, on what.
        seed: of weights and batches.

    Raises:
        CheckpointError: as `train_retrieval`.
        SettingsError: the plan does not fit the model, or videos are too few.
    """
    checkpoint, texts = _read_model(what)
    beside = _read_beside(what, checkpoint)
    method = make_tempme({**beside.settings, **what.settings}, config=checkpoint.vision)
    model = Retriever(
        build_vision(checkpoint),
        build_text(checkpoint),
        method,
        preparation=checkpoint.preparation,
        logit_scale=checkpoint.logit_scale or 0.0,
        chunk=what.chunk,
    )
    model.learn(what.tune, rank=what.rank, position_std=what.position_std, seed=seed)
    model.begin_at(beside.positions)
    pairs = _open_pairs(what, checkpoint, texts, frames=method.plan.frames, seed=seed)
    settings = {
        **what.to_record(),
        "method": method.to_record(),
        "backbone": checkpoint.backbone,
        **{f"config {name}": value for name, value in checkpoint.config.items()},
        "positions": hash_weights({str(layer): table for layer, table in beside.positions.items()}),
        "pairs": pairs.digest,
        "batch": pairs.batch,
        "words": texts.context,
    }
    return RetrievalTask(model=model, checkpoint=checkpoint, texts=texts, pairs=pairs, settings=settings)


def _read_beside(what: Retrieval, checkpoint: Checkpoint) -> Adapter:
    """What is gone on from of the adapter in the model's folder, if its plan fits: the usual settings, and positions.

    LoRA begins anew, as do the positions that were learnt with it.
    """
    own = find_adapter(resolve(what.model), what.settings.get("plan"))
    if own is None:
        return Adapter({}, {})
    adapter = read_adapter(own)
    if adapter.vision or adapter.text:
        _log.warning("%s is not gone on from: LoRA and clip positions begin anew", own)
        return Adapter({}, {}, settings=adapter.settings)
    return read_adapter(own, backbone=checkpoint.backbone, config=checkpoint.config)


def _select(task: RetrievalTask, what: Retrieval, out: Path, loop: LoopSettings, ranks: Ranks) -> Selection:
    """What keeps the best weights."""
    exam = Exam(
        task.model.to(ranks.device),
        task.pairs.held_out,
        task.texts,
        torch_dtype(loop.precision, ranks.device),
    )
    made_for = {**task.settings, **loop.fixed()}
    return Selection(out, exam, checkpoint=task.checkpoint, tune=what.tune, made_for=made_for)


def _read_model(what: Retrieval) -> tuple[Checkpoint, Texts]:
    """A whole CLIP, nothing trained beside it.

    Raises:
        CheckpointError: it is something else.
    """
    checkpoint = read_checkpoint(resolve(what.model), config=what.config)
    if checkpoint.adapter is not None:
        raise CheckpointError(f"{what.model} has an adapter inside; train on the plain model")
    tokenizer = read_tokenizer(checkpoint)
    if checkpoint.text is None or checkpoint.logit_scale is None or tokenizer is None:
        raise CheckpointError(
            f"{what.model} ({checkpoint.description}) lacks a text tower, its tokenizer or its logit scale; retrieval "
            "is trained on a whole CLIP"
        )
    context = checkpoint.text.context
    if what.words > context:
        _log.warning("the model reads %d tokens of a text: words=%d is taken as that", context, what.words)
    return checkpoint, Texts(tokenizer, min(what.words, context))


def _open_pairs(what: Retrieval, checkpoint: Checkpoint, texts: Texts, *, frames: int, seed: int) -> Pairs:
    """Videos with their sentences, or the renderer.

    Raises:
        SettingsError: there are too few videos.
    """
    shown: dict[str, Any] = {"texts": texts, "frames": frames, "seed": seed}
    if what.videos is None:
        looks = (what.batch or RENDERED_BATCH) // EACH
        return open_rendered(RenderedPairs(side=checkpoint.preparation.size, looks=looks, each=EACH, **shown))
    clips = CaptionedClips(
        *what.videos,
        preparation=checkpoint.preparation,
        batch=PAPER_BATCH,
        augmentation=RandAugment() if what.augment else None,
        **shown,
    )
    return open_captioned(clips, held_out=what.held_out, batch=what.batch)


def _with_epochs(loop: LoopSettings, what: Retrieval, pairs: Pairs, ranks: Ranks) -> LoopSettings:
    """The loop's steps, from epochs if those were given."""
    if what.epochs is None or pairs.sentences is None:
        return loop
    steps = max(1, math.ceil(what.epochs * pairs.sentences / (pairs.batch * loop.accumulate * ranks.count)))
    return replace(loop, steps=steps, warmup_steps=round(WARM_UP * steps))
