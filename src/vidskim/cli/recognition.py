"""vidskim evaluate recognition: accuracy of a video classifier, method beside method."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.classifier_options import Classes, ClassifierOption, ViewsName, with_names
from vidskim.cli.console import DONE, PARTIAL, JsonOption, Outcome, counting_line, run_verb, write_document
from vidskim.cli.evaluation import lost_lines, model_record
from vidskim.cli.model_options import Config, Device, Dtype, Scaler, read_pairs, read_values

if TYPE_CHECKING:
    from vidskim.evaluate.recognition import Progress, Report

Videos = Annotated[
    Path | None, typer.Option(help="Folder that paths in the list are relative to. Default: the list's own.")
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method", help="May be repeated. Default: all there are. The full classifier always comes first."
    ),
]
Drops = Annotated[
    list[int] | None,
    typer.Option(help="VideoMAE: tokens dropped in each group of time; may be repeated. Default 48."),
]
SliceDrops = Annotated[
    list[int] | None,
    typer.Option(
        help="Video Swin: tokens dropped of a slice of the second stage; may be repeated. Default 256."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Other settings, for the methods that have them: r (as [64,48,32]), groups, direction, anchor, windows or "
        "seed: name=value. The same name again is another value to try.",
    ),
]
Sample = Annotated[int | None, typer.Option(min=1, help="Take so many videos, spread evenly over the list.")]


def evaluate_recognition(
    videos_list: Annotated[
        Path,
        typer.Argument(
            metavar="LIST", help='"path label" a line, or a folder of folders named after classes.'
        ),
    ],
    *,
    model: ClassifierOption,
    videos: Videos = None,
    method: Methods = None,
    r: Drops = None,
    r1: SliceDrops = None,
    setting: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often random is tried.")] = 1,
    views: ViewsName = "one",
    sample: Sample = None,
    classes: Classes = None,
    out: Annotated[Path | None, typer.Option(help="Also write the record there, as JSON.")] = None,
    config: Config = None,
    scaler: Scaler = "pillow",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: JsonOption = False,
) -> None:
    """Top-1 and top-5 of a VideoMAE or Video Swin: in full, with sta, and with as many tokens dropped otherwise.

    LIST is as VideoMAE and mmaction have it for Kinetics and Something-Something: a path and a class a line.

    Videos that are not there are named, and do not count.

    Examples:

      vidskim evaluate recognition val.csv --videos k400/val --model videomae-folder --views k400 --r 48 --r 64

      vidskim evaluate recognition val.txt --model swin_tiny_k400.pth --method sta --method random --sample 500 --json

      vidskim evaluate recognition val.csv --model videomae-folder --method sta --set anchor=all --set anchor=kept
    """

    def body() -> Outcome:
        from vidskim.evaluate.labelled import read_labelled
        from vidskim.evaluate.recognition import evaluate_recognition as run
        from vidskim.evaluate.recognition import line_up
        from vidskim.pipeline.load import load_classifier

        read = {"config": read_pairs("--config", config), "scaler": scaler, "device": device, "dtype": dtype}
        classifier = with_names(load_classifier(model, **read), classes)
        compared = line_up(classifier, method or (), settings=read_values(setting, r=r, r1=r1), seeds=seeds)
        labelled = read_labelled(videos_list, classes=classifier.labels, root=videos)
        if sample is not None and sample < len(labelled):
            labelled = labelled.part([number * len(labelled) // sample for number in range(sample)])
        report = run(compared, labelled, views=views, root=videos, on_video=_progress_line())
        about = {"list": str(videos_list), "listed": len(labelled), "frames": classifier.frames}
        document = {**model_record("recognition", classifier, model), **about, **report.to_json()}
        if out is not None:
            write_document(out, document)
        return _outcome(report, document, listed=len(labelled))

    run_verb(body, as_json=as_json)


def _outcome(report: "Report", document: dict[str, Any], *, listed: int) -> Outcome:
    views = f"{report.views.clips} x {report.views.crops} views"
    lines = [f"{report.videos} of {listed} videos, {views}", _table(report)]
    lines += lost_lines(report.missing, report.failed)
    return Outcome(document, lines, PARTIAL if report.missing or report.failed else DONE)


def _table(report: "Report") -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("method")
    for heading in ("top-1", "top-5", "as full", "GMAC/view", "MACs", "ms/view", "time"):
        table.add_column(heading, justify="right")
    full = report.scores[0]
    for score in report.scores:
        table.add_row(
            score.name,
            *(f"{100 * share:.1f}" for share in (score.top1, score.top5, score.agreement)),
            f"{score.macs / 1e9:.2f}",
            f"{score.macs / full.macs:.0%}",
            f"{1000 * score.seconds:.0f}",
            f"{score.seconds / full.seconds:.0%}",
        )
    return table


def _progress_line() -> Callable[["Progress"], None]:
    line = counting_line(every_s=5.0)

    def show(progress: "Progress") -> None:
        top1 = "" if progress.top1 is None else f", top-1 {progress.top1:.1%} in full"
        lost = f", {progress.missing} missing, {progress.failed} failed"
        line(f"{progress.done}/{progress.listed} videos{top1}{lost}", progress.done == progress.listed)

    return show
