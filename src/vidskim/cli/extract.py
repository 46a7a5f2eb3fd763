"""vidskim extract: videos in, one feature file each out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import DONE, PARTIAL, JsonOption, Outcome, progress_line, run_verb, speed_lines
from vidskim.cli.model_options import (
    METHOD_HELP,
    MODEL_HELP,
    Budget,
    Config,
    Device,
    Dtype,
    Fps,
    Interleave,
    Keep,
    ModelChoice,
    Scaler,
    Setting,
    SettingsFile,
    Threshold,
    dials_of,
    read_pairs,
)
from vidskim.cli.remedy import remedy_lines
from vidskim.errors import FingerprintError

if TYPE_CHECKING:
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.ledger import ExtractReport
    from vidskim.pipeline.resume import Agenda

METHOD = "full"
MethodOrNone = Annotated[str | None, typer.Option(help=f"{METHOD_HELP} Default {METHOD}.")]


def extract(
    context: typer.Context,
    videos: Annotated[list[str], typer.Argument(help="Files, folders (searched below), or @list.txt.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for feature files, manifest and failures.")],
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    method: MethodOrNone = None,
    budget: Budget = None,
    interleave: Interleave = None,
    keep: Keep = None,
    threshold: Threshold = None,
    setting: Setting = None,
    settings: SettingsFile = None,
    config: Config = None,
    fps: Fps = 3.0,
    format: Annotated[str, typer.Option(help="safetensors or npy.")] = "safetensors",
    device: Device = "auto",
    dtype: Dtype = "auto",
    scaler: Scaler = "pillow",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do everything again.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many videos.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Encode videos: one feature file each, with true timestamps.

    Run it again after a crash: finished videos are skipped. Bad ones are noted in failures.jsonl and stop nothing.

    Examples:

      vidskim extract clips/ --out features --model ./clip-vit-b32

      vidskim extract clips/ --out cheap --model ./clip-vit-b32 --method reuse --budget 0.35

      vidskim extract @list.txt --out features --model ./deit --format npy --json
    """

    def body() -> Outcome:
        from vidskim.pipeline.sources import list_videos, root_of

        listed = list_videos(videos)
        choice = ModelChoice(
            source=model,
            method=method or METHOD,
            settings=dials_of(setting, budget=budget, interleave=interleave, keep=keep, threshold=threshold),
            config=read_pairs("--config", config),
            scaler=scaler,
            device=device,
            dtype=dtype,
        ).calibrated(settings, method=method, fps=fps or None)
        options: dict[str, Any] = {"fps": fps or None, "format": format, "overwrite": overwrite}
        options["root"] = root_of(videos, listed)
        try:
            return (_dry_run if dry_run else _run)(listed[:limit], out, choice.load(), options, as_json)
        except FingerprintError as error:
            flag = "--overwrite" if error.remedy == "overwrite" else None
            commands = remedy_lines(context.obj, option="--out", place=out, replace=flag)
            raise FingerprintError("\n".join([str(error), *commands]), remedy=error.remedy) from error

    run_verb(body, as_json=as_json)


def _run(
    videos: list[Path], out: Path, encoder: "VideoEncoder", options: dict[str, Any], as_json: bool
) -> Outcome:
    from vidskim.pipeline.extract import extract

    with progress_line(quiet=as_json) as show:
        return _finished(extract(videos, out, encoder, **options, on_progress=show))


def _dry_run(
    videos: list[Path], out: Path, encoder: "VideoEncoder", options: dict[str, Any], _: bool
) -> Outcome:
    from vidskim.pipeline.extract import plan

    return _planned(plan(videos, out, encoder, **options))


def _planned(agenda: "Agenda") -> Outcome:
    todo, skipped = ([source.name for source in part] for part in (agenda.todo, agenda.skipped))
    document = {"dry_run": True, "listed": len(todo) + len(skipped), "todo": todo, "skipped": skipped}
    return Outcome(document, [*todo, f"{len(todo)} to do, {len(skipped)} already done; nothing was written"])


def _finished(report: "ExtractReport") -> Outcome:
    lines = [
        f"{report.done} done + {report.failed} failed + {report.skipped} skipped = {report.listed} listed",
        *speed_lines(report.frames, report.times),
        f"features and manifest.jsonl are in {report.out}",
    ]
    if report.damaged:
        lines.append(f"{report.damaged} of the done are damaged: see health in manifest.jsonl")
    if report.failed:
        lines.append(f"what failed and why: {report.out / 'failures.jsonl'}")
    return Outcome(report.to_json(), lines, PARTIAL if report.failed else DONE)
