"""A small CLIP on disk for trainings of retrieval, and one of several ranks that train it.

python small_clip.py MODEL OUT PORT PORT: trains into OUT/halves on the first half of each batch, or the second, by
rank; then into OUT/whole as the command does, on batches of its own.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vidskim.models.export import save_checkpoint
from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.variants import TextConfig, VitConfig
from vidskim.models.vit import VisionTransformer
from vidskim.synth.captions import all_phrases
from vidskim.train.initialise import initialise
from vidskim.train.loop import LoopSettings, fit
from vidskim.train.retrieval import make_task, train_retrieval
from vidskim.train.syllabus import Retrieval

PLAN = {"frames": 4, "joins": [[1, 2], [2, 2]], "r": 1, "across": 0.2, "within": 0.1}
LOOP = LoopSettings(
    steps=6,
    learning_rate=1e-2,
    warmup_steps=1,
    weight_decay=0.1,
    precision="float32",
    device="cpu",
    workers=0,
    checkpoint_every=2,
    log_every=1,
)
VISION = VitConfig(
    width=32,
    layers=4,
    heads=2,
    patch=8,
    image=32,
    hidden=64,
    activation="gelu",
    eps=1e-5,
    embed=16,
    norm_pre=True,
    patch_bias=False,
)


def write_clip(folder: Path) -> Path:
    """A CLIP of random weights that knows the words of the captions."""
    tokenizer = Tokenizer.learn(all_phrases(), merges=600)
    text = TextConfig(
        width=32,
        layers=2,
        heads=2,
        hidden=64,
        context=32,
        vocabulary=tokenizer.vocabulary,
        embed=16,
        activation="gelu",
        eps=1e-5,
    )
    towers = VisionTransformer(VISION), TextTransformer(text)
    generator = torch.Generator().manual_seed(3)
    for tower in towers:
        initialise(tower, generator)
    save_checkpoint(folder, *towers, logit_scale=3.0)
    tokenizer.save(folder / "tokenizer.json")
    return folder


@dataclass(frozen=True)
class Halves:
    """Half of each batch of a source: number 2 n is the first half of its batch n, 2 n + 1 the second."""

    source: object

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        batch = self.source[number // 2]  # type: ignore[index]
        return {name: value.chunk(2)[number % 2] for name, value in batch.items()}


def small_task(model: Path, **changes: object) -> Retrieval:
    given = {"model": model, "settings": {"plan": PLAN}, "rank": 2, "position_std": 0.5, "batch": 8}
    return Retrieval(**{**given, **changes})  # type: ignore[arg-type]


def train_as_rank(model: Path, out: Path, ports: Sequence[str]) -> None:
    """Each training makes its own process group, at its own port."""
    task = make_task(small_task(model), seed=0)
    os.environ["MASTER_PORT"] = ports[0]
    fit(replace(task, pairs=replace(task.pairs, source=Halves(task.source))), LOOP, out / "halves")
    os.environ["MASTER_PORT"] = ports[1]
    train_retrieval(small_task(model), out / "whole", LOOP)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_as_rank(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
