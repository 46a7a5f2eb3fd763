"""vidskim train: one verb for each kind of training."""

from pathlib import Path
from typing import Annotated

import typer

from vidskim.cli.console import JsonOption, Outcome, run_verb
from vidskim.cli.distill import train_distill
from vidskim.cli.train_recognition import train_recognition
from vidskim.cli.train_retrieval import train_retrieval
from vidskim.cli.training import Device, Seed, loop_settings, step_line, training_outcome

train = typer.Typer(
    help="Train models. A training that was interrupted goes on when the same command is run again.",
    no_args_is_help=True,
)

train.command("distill")(train_distill)
train.command("recognition")(train_recognition)
train.command("retrieval")(train_retrieval)


@train.command("contrastive")
def train_contrastive(
    *,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, metrics.jsonl, curve.png and model/.")],
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")] = 2000,
    batch: Annotated[int, typer.Option(min=2, help="Images with captions in each step.")] = 256,
    learning_rate: Annotated[float, typer.Option(help="At its peak, after the warm-up.")] = 1e-3,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that render.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Train a small CLIP from nothing on the synthetic world; the bundled model is its result.

    With the defaults: 614,000 rendered images, 40 minutes to an hour on two CPU cores. OUT/model loads with load_model.

    Examples:

      vidskim train contrastive --out runs/contrastive

      vidskim train contrastive --out runs/small --steps 50 --batch 32
    """

    def body() -> Outcome:
        from vidskim.train.contrastive import RECIPE
        from vidskim.train.contrastive import train_contrastive as run

        settings = loop_settings(
            RECIPE, steps=steps, learning_rate=learning_rate, seed=seed, device=device, workers=workers
        )
        first, last = run(out, settings, batch=batch, on_step=step_line())
        return training_outcome({out: first, out / "foreign": last}, out / "model")

    run_verb(body, as_json=as_json)
