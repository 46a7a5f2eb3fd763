"""vidskim calibrate: what a cheaper method loses on your own videos, and the best setting within a budget."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidskim.cli.console import (
    DONE,
    PARTIAL,
    JsonOption,
    Outcome,
    counting_line,
    note,
    run_verb,
    time_text,
)
from vidskim.cli.model_options import MODEL_HELP, Config, Device, Dtype, Fps, ModelChoice, Scaler, read_pairs

if TYPE_CHECKING:
    from vidskim.evaluate.calibrate import Measurement, Report
    from vidskim.pipeline.encoder import VideoEncoder

Out = Annotated[Path, typer.Option(help="Folder for calibration.json, table and plot.")]
Queries = Annotated[
    list[str] | None, typer.Option("--query", help="A sentence to rank frames by; again for more.")
]


def calibrate(
    *,
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    videos: Annotated[list[str], typer.Option(help="A file, a folder, or @list.txt; again for more.")],
    budget: Annotated[float, typer.Option(help="Largest share of the full encoder's MACs, to 1.")] = 0.4,
    out: Out = Path("calibration"),
    sample: Annotated[int, typer.Option(min=1, help="Most videos to take, spread over all.")] = 6,
    frames: Annotated[int, typer.Option(min=13, help="Most frames of each, in stretches of 49.")] = 98,
    rounds: Annotated[int, typer.Option(min=1, help="Times each setting runs; the median counts.")] = 3,
    query: Queries = None,
    config: Config = None,
    fps: Fps = 3.0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    scaler: Scaler = "pillow",
    as_json: JsonOption = False,
) -> None:
    """Measure on your own videos what cheaper methods lose, and choose the best setting within a budget.

    Against the full encoder: cosine of features, order of frames under text queries, multiply-accumulates, time.

    Writes into OUT: calibration.json for --settings of extract and index, table.txt, table.csv, pareto.png.

    Examples:

      vidskim calibrate --model ./clip-vit-b32 --videos clips/ --budget 0.4

      vidskim extract clips/ --out features --model ./clip-vit-b32 --settings calibration/calibration.json

      vidskim calibrate --model demo --videos world/videos --query "a red star" --sample 10 --rounds 1 --json
    """

    def body() -> Outcome:
        from vidskim.evaluate.calibrate import calibrate, check_budget
        from vidskim.evaluate.results import write_results
        from vidskim.pipeline.sources import list_videos, name_sources, root_of

        check_budget(budget)
        listed = list_videos(videos)
        named = read_pairs("--config", config)
        choice = ModelChoice(
            source=model, method="full", config=named, scaler=scaler, device=device, dtype=dtype
        )
        encoder, source = choice.load(), str(choice.origin()["source"])
        report = calibrate(
            encoder,
            name_sources(listed, root=root_of(videos, listed)),
            budget=budget,
            fps=fps or None,
            sample=sample,
            frames=frames,
            rounds=rounds,
            queries=query or _default_queries(model, encoder),
            on_step=_progress_line(),
            on_failure=lambda video, message: note(f"skipped {video}: {message}"),
        )
        chosen, files = write_results(out, report, encoder=encoder, source=source, budget=budget)
        return _finished(report, chosen, files, budget=budget)

    run_verb(body, as_json=as_json)


def _progress_line() -> Callable[[int, int, str], None]:
    line, started = counting_line(every_s=5.0), 0.0

    def show(done: int, steps: int, video: str) -> None:
        nonlocal started
        now = time.monotonic()
        started = started or now
        left = f", {time_text((now - started) * (steps - done) / (done - 1))} left" if done > 1 else ""
        line(f"{done}/{steps} runs, {video}{left}", done == steps)

    return show


def _finished(report: "Report", chosen: "Measurement", files: dict[str, str], *, budget: float) -> Outcome:
    from vidskim.evaluate.verdict import describe_choice, describe_sample, table_lines

    sentence = describe_choice(chosen, report.measurements, budget=budget)
    lines = [*describe_sample(report), "", *table_lines(report.measurements, chosen=chosen), "", sentence]
    lines.append("written: " + ", ".join(files.values()))
    if "picture" not in files:
        lines.append("no picture: it needs matplotlib: pip install 'vidskim[plot]'")
    lines.append(
        f"use it: `vidskim extract` or `vidskim index` with this model and --settings {files['settings']}"
    )
    document = {
        "summary": sentence,
        "budget": budget,
        "chosen": chosen.to_json(),
        **report.conditions(),
        "measurements": [one.to_json() for one in report.measurements],
        "files": files,
    }
    return Outcome(document, lines, PARTIAL if report.failures else DONE)


def _default_queries(model: str, encoder: "VideoEncoder") -> tuple[str, ...]:
    """What the model can be expected to know; nothing where it has no text."""
    if encoder.text is None or encoder.tokenizer is None:
        return ()
    from vidskim.evaluate.candidates import QUERIES, SHAPE_QUERIES

    return SHAPE_QUERIES if model == "demo" else QUERIES
