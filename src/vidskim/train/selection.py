"""Which weights of a retrieval training are kept: those that were best on videos held out from it."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidskim.disk import writing
from vidskim.errors import SettingsError, TrainingError, VideoError
from vidskim.evaluate.ranking import score_retrieval, similarities
from vidskim.methods.tempme import TempMe
from vidskim.models.adapter import ADAPTER_FILE, save_adapter
from vidskim.models.checkpoint import Checkpoint, read_checkpoint
from vidskim.models.export import save_checkpoint
from vidskim.models.text import TextTransformer
from vidskim.models.vit import VisionTransformer
from vidskim.tokens.clip_plan import ClipPlan
from vidskim.train.checkpoint import list_checkpoints
from vidskim.train.pairs import HeldOut, Texts
from vidskim.train.retriever import Retriever

MODEL, RESULT_FILE = "model", "result.json"
CHUNK = 16  # videos, or 16 times as many sentences, that are encoded together
_log = logging.getLogger("vidskim")


@dataclass(frozen=True)
class Exam:
    """Asks a model which held-out sentence belongs to which video.

    Args:
        model: in eval mode when it is asked.
        held_out: what it is asked.
        texts: how sentences become token ids.
        dtype: what is computed in.
    """

    model: Retriever
    held_out: HeldOut
    texts: Texts
    dtype: torch.dtype

    def score(self, method: TempMe) -> dict[str, float]:
        """Scores in per cent of both directions, and how many videos were "unreadable", which are left out.

        Args:
            method: how frames become a video's vector.

        Raises:
            TrainingError: fewer than two videos could be read.
        """
        vectors: list[Tensor] = []
        there: list[int] = []
        for first in range(0, self.held_out.count, CHUNK):
            numbers = range(first, min(first + CHUNK, self.held_out.count))
            clips = {n: clip for n in numbers if (clip := self._read(n)) is not None}
            if clips:
                vectors.append(
                    self._compute(self.model.encode_videos, np.stack(list(clips.values())), method)
                )
                there += clips
        if len(there) < 2:
            raise TrainingError(
                f"only {len(there)} of the {self.held_out.count} videos held out could be read"
            )
        place = {number: row for row, number in enumerate(there)}
        asked = [n for n, owner in enumerate(self.held_out.owners) if owner in place]
        sentences = self._encode([self.held_out.sentences[n] for n in asked])
        owners = [place[self.held_out.owners[n]] for n in asked]
        to_video, to_text = score_retrieval(similarities(sentences, torch.cat(vectors)), owners)
        return {
            "t2v_r1": to_video.recalls[1],
            "t2v_r_sum": to_video.r_sum,
            "v2t_r1": to_text.recalls[1],
            "v2t_r_sum": to_text.r_sum,
            "r_sum_both": to_video.r_sum + to_text.r_sum,
            "unreadable": self.held_out.count - len(there),
        }

    def _read(self, number: int) -> NDArray[np.uint8] | None:
        try:
            return self.held_out.read(number)
        except VideoError as error:
            _log.warning("%s; it is left out", error)
            return None

    def _encode(self, sentences: Sequence[str]) -> Tensor:
        """Each sentence once."""
        many, each = 16 * CHUNK, list(dict.fromkeys(sentences))
        parts = [self.texts.encode(each[n : n + many]) for n in range(0, len(each), many)]
        vectors = torch.cat([self._compute(self.model.encode_texts, ids) for ids in parts])
        place = {sentence: number for number, sentence in enumerate(each)}
        return vectors[[place[sentence] for sentence in sentences]]

    def _compute(
        self, encode: Callable[..., Tensor], given: Tensor | NDArray[np.uint8], *more: TempMe
    ) -> Tensor:
        """On the model's device and in the training's precision; float32 on the CPU."""
        device = self.model.mean.device
        with torch.autocast(device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            return encode(torch.as_tensor(given).to(device), *more).float().cpu()


class Selection:
    """Keeps what was best on held-out videos, by R-Sum of both directions.

    Args:
        out: folder of the training.
        exam: what the model is asked.
        checkpoint: it came from.
        tune: "lora", or "full" where the model has to be written too.
        made_for: what the training is; a record of another one, or without its checkpoints, is replaced.
    """

    def __init__(
        self, out: Path, exam: Exam, *, checkpoint: Checkpoint, tune: str, made_for: Mapping[str, object]
    ) -> None:
        self.out, self.exam, self.model = out, exam, exam.model
        self.checkpoint, self.tune = checkpoint, tune
        self.made_for = json.loads(json.dumps(made_for))  # as it will be read back
        stored = _stored(out / RESULT_FILE)
        goes_on = bool(list_checkpoints(out))  # else `fit` begins anew
        self.document = stored if goes_on and stored.get("made_for") == self.made_for else {}
        self.is_stale = bool(stored) and not goes_on

    def begin(self, on_note: Callable[[str], None] | None = None) -> None:
        """Before the first step: what the frames alone can do, and the joined ones while nothing is learnt."""
        if self.document:
            return
        if self.is_stale:
            (self.out / RESULT_FILE).unlink()
        if on_note is not None:
            on_note("first the untrained model is asked about the videos held out, to compare with")
        alone = replace(self.model.method, plan=ClipPlan(self.model.method.plan.frames, ()), positions={})
        with torch.inference_mode():
            self.document = {
                "made_for": self.made_for,
                "held_out": {
                    "videos": self.exam.held_out.count,
                    "sentences": len(self.exam.held_out.sentences),
                },
                "frames_alone": self.exam.score(alone),
                "before": self.exam.score(self.model.method),
            }

    def validate(self, step: int) -> dict[str, float]:
        """Called at each checkpoint; by then the folder is known to be this training's."""
        numbers = self.exam.score(self.model.method)
        best = self.document.get("best")
        if best is None or numbers["r_sum_both"] > best["r_sum_both"]:
            self._keep(step, numbers)
            self.document["best"] = {"step": step, **numbers}
            with writing(self.out / RESULT_FILE) as file:
                file.write(json.dumps(self.document, indent=2).encode() + b"\n")
        return numbers

    def _keep(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write what is learnt."""
        folder, beside = self.out, self.checkpoint
        if self.tune == "full":
            folder = self.out / MODEL
            self._export(folder)
            beside = read_checkpoint(folder)
        adapter = replace(self.model.to_adapter(), words=self.exam.texts.context)
        made_for: dict[str, Any] = {"backbone": beside.backbone, "config": beside.config}
        notes = {"step": json.dumps(step), "held_out": json.dumps(numbers)}
        save_adapter(folder / ADAPTER_FILE, adapter, **made_for, notes=notes)

    def _export(self, folder: Path) -> None:
        """All weights, as a Hugging Face CLIP with its tokenizer."""
        vision, text = VisionTransformer(self.model.vision.config), TextTransformer(self.model.text.config)
        vision.load_state_dict(self.model.vision.state_dict())
        text.load_state_dict(self.model.text.state_dict())
        save_checkpoint(
            folder,
            vision,
            text,
            preparation=self.checkpoint.preparation,
            logit_scale=float(self.model.logit_scale),
        )
        self.exam.texts.tokenizer.save(folder / "tokenizer.json")


def read_result(out: Path) -> dict[str, Any]:
    """What a training has left in result.json.

    Raises:
        SettingsError: there is none.
    """
    document = _stored(out / RESULT_FILE)
    if "best" not in document:
        raise SettingsError(f"{out}: no {RESULT_FILE}; expected the folder of `vidskim train retrieval`")
    return document


def _stored(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document
