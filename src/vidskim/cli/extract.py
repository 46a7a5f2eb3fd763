"""vidskim extract: videos in, one feature file each out."""

import itertools
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import DONE, PARTIAL, JsonOption, Outcome, progress_line, run_verb
from vidskim.errors import FingerprintError, SettingsError

if TYPE_CHECKING:
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.ledger import ExtractReport
    from vidskim.pipeline.resume import Agenda


Threshold = Annotated[
    float | None, typer.Option(help="Instead of --keep: compute patches that change more (0..1).")
]
Config = Annotated[
    list[str] | None, typer.Option(help="What a bare state dict cannot tell, such as heads=3: name=value.")
]


def extract(
    context: typer.Context,
    videos: Annotated[list[str], typer.Argument(help="Files, folders (searched below), or @list.txt.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for feature files, manifest and failures.")],
    model: Annotated[str, typer.Option(help="A Hub id, a folder or a checkpoint file.")],
    method: Annotated[str, typer.Option(help="full, copy, interpolate, residual or reuse.")] = "full",
    interleave: Annotated[int | None, typer.Option(help="P-frames for each I-frame, N. Default 2.")] = None,
    keep: Annotated[
        float | None, typer.Option(help="Share of patches computed in a P-frame. Default 0.15.")
    ] = None,
    threshold: Threshold = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="select, anchors or seed: name=value.")
    ] = None,
    config: Config = None,
    fps: Annotated[float, typer.Option(help="Frames per second to sample; 0 for every frame.")] = 3.0,
    format: Annotated[str, typer.Option(help="safetensors or npy.")] = "safetensors",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    scaler: Annotated[str, typer.Option(help="pillow (exact) or decoder (faster, nearly equal).")] = "pillow",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do everything again.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many videos.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Encode videos: one feature file each, with true timestamps.

    Run it again after a crash or Ctrl-C: finished videos are skipped.

    A bad video is noted in failures.jsonl and never stops the rest.

    Examples:

      vidskim extract clips/ --out features --model ./clip-vit-b32

      vidskim extract clips/ --out cheap --model ./clip-vit-b32 --method reuse --interleave 3 --threshold 0.06

      vidskim extract @list.txt --out features --model ./deit --format npy --json
    """

    def body() -> Outcome:
        from vidskim.pipeline.load import load_model
        from vidskim.pipeline.sources import list_videos, root_of

        listed = list_videos(videos)
        settings = _pairs("--set", setting, interleave=interleave, keep=keep, threshold=threshold)
        stated = _pairs("--config", config)
        encoder = load_model(
            model, method=method, device=device, dtype=dtype, config=stated, scaler=scaler, **settings
        )
        options: dict[str, Any] = {"fps": fps or None, "format": format, "overwrite": overwrite}
        options["root"] = root_of(videos, listed)
        try:
            return (_dry_run if dry_run else _run)(listed[:limit], out, encoder, options, as_json)
        except FingerprintError as error:
            commands = _remedy(context.obj, error, out)
            raise FingerprintError(f"{error}{commands}", remedy=error.remedy) from error

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


def _pairs(option: str, pairs: list[str] | None, **named: float | None) -> dict[str, Any]:
    """Settings from options of their own and from name=value pairs; values are read as JSON where they can be."""
    settings: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise SettingsError(f"{option} takes name=value, received {pair!r}")
        if name in settings:
            raise SettingsError(f"{name} is given twice")
        try:
            settings[name] = json.loads(text)
        except ValueError:
            settings[name] = text
    return settings


def _remedy(arguments: list[str] | None, error: FingerprintError, out: Path) -> str:
    """The command lines that would go through."""
    if not arguments:
        return ""
    elsewhere = [*_without(arguments, "--out"), "--out", _free_folder(out)]
    lines = ["To keep them and write to another folder:", f"  vidskim {shlex.join(elsewhere)}"]
    if error.remedy == "overwrite":
        lines += ["To replace them:", f"  vidskim {shlex.join([*arguments, '--overwrite'])}"]
    return "".join(f"\n{line}" for line in lines)


def _without(arguments: list[str], option: str) -> list[str]:
    """The arguments less an option and its value."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if not skip and argument != option and not argument.startswith(f"{option}="):
            kept.append(argument)
        skip = argument == option and not skip
    return kept


def _free_folder(out: Path) -> str:
    """A folder beside `out` that is not there yet: features-2, features-3, ..."""
    base = out if out.name.strip(".") else out.resolve()
    return next(name for number in itertools.count(2) if not Path(name := f"{base}-{number}").exists())


def _planned(agenda: "Agenda") -> Outcome:
    todo, skipped = ([source.name for source in part] for part in (agenda.todo, agenda.skipped))
    document = {"dry_run": True, "listed": len(todo) + len(skipped), "todo": todo, "skipped": skipped}
    return Outcome(document, [*todo, f"{len(todo)} to do, {len(skipped)} already done; nothing was written"])


def _finished(report: "ExtractReport") -> Outcome:
    times = report.times
    stages = ", ".join(
        f"{stage} {times.seconds(stage):.2f} s" for stage in ("decode", "prepare", "encode", "write")
    )
    lines = [
        f"{report.done} done + {report.failed} failed + {report.skipped} skipped = {report.listed} listed",
        f"{report.frames} frames in {times.wall_s:.2f} s, {report.frames_per_s:.1f} frames/s: {stages}",
        f"limiting stage: {times.limiting}" if report.frames else "nothing to encode",
        f"features and manifest.jsonl are in {report.out}",
    ]
    if report.damaged:
        lines.append(f"{report.damaged} of the done are damaged: see health in manifest.jsonl")
    if report.failed:
        lines.append(f"what failed and why: {report.out / 'failures.jsonl'}")
    return Outcome(report.to_json(), lines, PARTIAL if report.failed else DONE)
