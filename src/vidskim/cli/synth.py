"""vidskim synth: videos of the synthetic world with captions that are true to the tenth of a second."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidskim.cli.console import JsonOption, Outcome, counting_line, run_verb
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.synth.library import LibraryReport, VideoDone

SHEET, SHEET_ROWS = "sheet.png", 12

Workers = Annotated[
    int | None, typer.Option(min=0, help="Processes that render. Default: one for each core.")
]


def synth(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New, empty, or left by the same command.")],
    *,
    videos: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    split: Annotated[
        str, typer.Option(help="train, validation or test (has held-out combinations).")
    ] = "test",
    seed: Annotated[int, typer.Option(min=0, help="Of the collection.")] = 0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "320x240",
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 15.0,
    actions: Annotated[
        bool, typer.Option("--actions", help="Short videos of one action each, and a list of them.")
    ] = False,
    workers: Workers = None,
    sheet: Annotated[bool, typer.Option(help=f"Draw the first {SHEET_ROWS} videos on DIR/sheet.png.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Render videos of moving shapes, with captions and times of every event.

    Writes videos/, annotations.jsonl (as QVHighlights), activitynet.json (as ActivityNet Captions) and world.json; with
    --actions also actions.csv, a list of videos and classes as `evaluate recognition` and `train recognition` take it.

    The same options give the same bytes. Run it again after a crash or Ctrl-C: finished videos are kept.

    Examples:

      vidskim synth world --videos 50

      vidskim synth train-world --split train --videos 500 --seed 1 --no-sheet

      vidskim synth small --videos 5 --size 160x120 --fps 8 --json

      vidskim synth actions --actions --videos 200 --size 128x96
    """

    def body() -> Outcome:
        from vidskim.synth.library import write_library

        width, height = read_size(size)
        report = write_library(
            folder,
            videos=videos,
            split=split,
            seed=seed,
            fps=fps,
            height=height,
            width=width,
            actions=actions,
            workers=workers,
            on_video=_progress_line(),
        )
        return _outcome(report, with_sheet=sheet)

    run_verb(body, as_json=as_json)


def read_size(text: str) -> tuple[int, int]:
    """ "320x240" -> (320, 240), width first.

    Raises:
        SettingsError: it is written in another way.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise SettingsError(f"--size takes WIDTHxHEIGHT such as 320x240, received {text!r}")
    return int(width), int(height)


def _outcome(report: "LibraryReport", *, with_sheet: bool) -> Outcome:
    from vidskim.synth.sheet import write_sheet
    from vidskim.synth.statistics import describe_scripts, statistics_lines
    from vidskim.synth.world import read_world

    world, path = read_world(report.folder), report.folder / SHEET
    scripts = world.scripts()
    statistics = describe_scripts(scripts)
    if with_sheet:
        write_sheet(scripts[:SHEET_ROWS], path)
    speed = (
        f"{report.rendered} videos rendered in {report.wall_s:.1f} s, {report.workers} at a time: "
        f"{report.frames_per_s:.0f} frames/s, {report.times_real_time:.1f} times real time"
    )
    lines = [
        *statistics_lines(statistics),
        speed if report.rendered else "nothing to render: all videos were there",
        f"videos and annotations are in {report.folder}" + (f"; look at {path}" if with_sheet else ""),
    ]
    document = {**report.to_json(), "sheet": str(path) if with_sheet else None, "statistics": statistics}
    return Outcome(document, lines)


def _progress_line() -> "Callable[[VideoDone], None]":
    line, started = counting_line(every_s=5.0), time.monotonic()

    def show(video: "VideoDone") -> None:
        seconds = time.monotonic() - started
        line(
            f"{video.done}/{video.videos} videos, {video.frames} frames, {seconds:.0f} s",
            video.done == video.videos,
        )

    return show
