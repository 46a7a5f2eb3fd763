"""What the verbs under `train` share: options, a progress line, and the outcome of a training."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import Outcome, counting_line

if TYPE_CHECKING:
    from vidskim.train.loop import FitReport, LoopSettings, StepReport

Seed = Annotated[int, typer.Option(min=0, help="Of weights, scenes and batches.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]


def loop_settings(recipe: "LoopSettings", **changes: Any) -> "LoopSettings":
    """A recipe with those options of the command that were given; the warm-up of a short training is shorter."""
    given = {name: value for name, value in changes.items() if value is not None}
    steps = given.get("steps", recipe.steps)
    return replace(recipe, **given, warmup_steps=min(recipe.warmup_steps, steps // 5))


def training_outcome(
    reports: "dict[Path, FitReport]",
    result: Path,
    *,
    lines: tuple[Any, ...] = (),
    beside: Mapping[str, Mapping[str, float]] | None = None,
    **document: Any,
) -> Outcome:
    """What each part of a training gave, by its folder, and what else there is to say; `beside` as `plot_metrics`."""
    parts = [_part(out, report, beside) for out, report in reports.items()]
    shown = [line for _, several in parts for line in several]
    return Outcome(
        {"result": str(result), "parts": [part for part, _ in parts], **document},
        [*shown, *lines, f"result: {result}"],
    )


def _part(
    out: Path, report: "FitReport", beside: Mapping[str, Mapping[str, float]] | None
) -> tuple[dict[str, Any], list[str]]:
    from vidskim.errors import VidskimError
    from vidskim.train.metrics import plot_metrics

    try:
        curve = str(plot_metrics(out, beside=beside))
    except VidskimError as error:
        curve = f"none ({error})"
    resumed = "" if report.resumed_from is None else f"; went on from step {report.resumed_from}"
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in report.metrics.items())
    lines = [
        f"{report.steps} steps in {report.seconds:.0f} s, loss of the last step {report.loss:.4f}{resumed}",
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


def step_line() -> "Callable[[StepReport], None]":
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
