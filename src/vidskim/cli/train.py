"""vidskim train: one verb for each kind of training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, counting_line, run_verb

if TYPE_CHECKING:
    from vidskim.train.loop import FitReport, LoopSettings, StepReport

train = typer.Typer(
    help="Train models. A training that was interrupted goes on when the same command is run again.",
    no_args_is_help=True,
)

Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")]
Rate = Annotated[float, typer.Option("--learning-rate", help="At its peak, after the warm-up.")]
Seed = Annotated[int, typer.Option(min=0, help="Of weights, scenes and batches.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that render or decode.")]


@train.command("contrastive")
def train_contrastive(
    *,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, metrics.jsonl, curve.png and model/.")],
    steps: Steps = 2000,
    batch: Annotated[int, typer.Option(min=2, help="Images with captions in each step.")] = 256,
    learning_rate: Rate = 1e-3,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = 1,
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

        settings = _settings(
            RECIPE, steps=steps, learning_rate=learning_rate, seed=seed, device=device, workers=workers
        )
        first, last = run(out, settings, batch=batch, on_step=_step_line())
        return _outcome({out: first, out / "foreign": last}, out / "model")

    run_verb(body, as_json=as_json)


@train.command("distill")
def train_distill(
    *,
    model: Annotated[str, typer.Option(help="Whose residual tokenizer: demo, a Hub id, a folder or a file.")],
    out: Annotated[
        Path, typer.Option(help="Folder for checkpoints, metrics.jsonl, curve.png and the result.")
    ],
    steps: Steps = 1500,
    batch: Annotated[int, typer.Option(min=1, help="Groups of frames in each step.")] = 64,
    interleave: Annotated[int, typer.Option(min=1, help="P-frames in each group.")] = 2,
    keep: Annotated[float, typer.Option(help="Share of patches kept in a P-frame.")] = 0.15,
    depth: Annotated[int, typer.Option(min=1, help="Linear layers of the tokenizer; as published: 1.")] = 2,
    learning_rate: Rate = 3e-3,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = 1,
    as_json: JsonOption = False,
) -> None:
    """Distil a residual tokenizer, which method residual needs; no labels, and the model itself stays as it is.

    Trains on rendered scenes. The result is OUT/residual_tokenizer.safetensors; beside the weights in a model's folder
    it is found by itself, elsewhere pass load_model(..., residual_tokenizer=FILE).

    Examples:

      vidskim train distill --model ./my-clip-folder --out runs/distill
    """

    def body() -> Outcome:
        from vidskim.methods.residual import TOKENIZER_FILE
        from vidskim.train.distill import RECIPE
        from vidskim.train.distill import train_distill as run

        settings = _settings(
            RECIPE, steps=steps, learning_rate=learning_rate, seed=seed, device=device, workers=workers
        )
        report = run(
            model,
            out,
            settings,
            interleave=interleave,
            keep=keep,
            depth=depth,
            batch=batch,
            on_step=_step_line(),
        )
        return _outcome({out: report}, out / TOKENIZER_FILE)

    run_verb(body, as_json=as_json)


def _settings(recipe: "LoopSettings", *, steps: int, **changes: Any) -> "LoopSettings":
    """A recipe with the options of the command; the warm-up of a short training is shorter."""
    return replace(recipe, steps=steps, warmup_steps=min(recipe.warmup_steps, steps // 5), **changes)


def _outcome(reports: "dict[Path, FitReport]", result: Path) -> Outcome:
    """What each part of a training gave, by its folder."""
    parts = [_part(out, report) for out, report in reports.items()]
    lines = [line for _, shown in parts for line in shown]
    return Outcome(
        {"result": str(result), "parts": [part for part, _ in parts]}, [*lines, f"result: {result}"]
    )


def _part(out: Path, report: "FitReport") -> tuple[dict[str, Any], list[str]]:
    from vidskim.errors import VidskimError
    from vidskim.train.metrics import plot_metrics

    try:
        curve = str(plot_metrics(out))
    except VidskimError as error:
        curve = f"none ({error})"
    resumed = "" if report.resumed_from is None else f"; went on from step {report.resumed_from}"
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in report.metrics.items())
    lines = [
        f"{report.steps} steps in {report.seconds:.0f} s, last loss {report.loss:.4f}{resumed}",
        *([numbers] if numbers else []),
        f"curve: {curve}",
    ]
    document = {
        "out": str(out),
        "steps": report.steps,
        "resumed_from": report.resumed_from,
        "seconds": round(report.seconds, 1),
        "loss": report.loss,
        "metrics": dict(report.metrics),
    }
    return document, lines


def _step_line() -> "Callable[[StepReport], None]":
    line = counting_line(every_s=10.0, at_once=True)

    def show(report: "StepReport") -> None:
        left = f"{_clock(report.seconds_left)} left"
        line(
            f"step {report.step}/{report.steps}, loss {report.loss:.4f}, {left}", report.step == report.steps
        )

    return show


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
