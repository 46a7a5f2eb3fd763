"""vidskim evaluate retrieval: text to video and video to text, method beside method."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.captioned import Annotations, CaptionSource, Dataset, Pairs, Split, Videos
from vidskim.cli.console import DONE, PARTIAL, JsonOption, Outcome, counting_line, run_verb, write_document
from vidskim.cli.evaluation import lost_lines, model_record
from vidskim.cli.model_options import MODEL_HELP, Config, Device, Dtype, Scaler, read_pairs, read_values

if TYPE_CHECKING:
    from vidskim.evaluate.contenders import Contender
    from vidskim.evaluate.ranking import RetrievalScores
    from vidskim.evaluate.retrieval import Progress, Report

RECORD = "record.json"
SAID = "R@k in %; R-Sum = R@1 + R@5 + R@10; of several texts of a video, video to text counts its best"

Adapters = Annotated[
    list[Path] | None,
    typer.Option(
        "--adapter",
        help="LoRA and clip positions; may be repeated. Default: the one in the model's folder, if any, unless a "
        "plan has other frames or joins.",
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="tempme, or a method of frames, of which the mean is taken (merge, reuse ...). May be repeated. Default "
        "tempme. The mean of frames encoded alone, full, always comes first.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="plan (b32-12f, b16-12f, b32-64f, b16-64f or numbers of your own), split (place or clip), merge or "
        "faithful, or what a method of frames has: name=value. The same name again is another value to try.",
    ),
]
Frames = Annotated[int | None, typer.Option(min=1, help="Of a video, where no plan says. Default 12.")]
Sample = Annotated[int | None, typer.Option(min=1, help="Take so many videos, spread evenly over the list.")]
Out = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Folder for the record and the videos' vectors; the same command again goes on from there.",
    ),
]


def evaluate_retrieval(
    *,
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    dataset: Dataset = None,
    annotations: Annotations = None,
    split: Split = None,
    pairs: Pairs = None,
    videos: Videos = None,
    adapter: Adapters = None,
    method: Methods = None,
    setting: Settings = None,
    frames: Frames = None,
    sample: Sample = None,
    out: Out = None,
    config: Config = None,
    scaler: Scaler = "pillow",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: JsonOption = False,
) -> None:
    """R@1, R@5, R@10, R@50, median and mean rank, text to video and video to text, of TempMe and what it has to beat.

    Beside each method stand the mean of the same frames encoded alone, by the plain model and with the adapter, and
    chance. All encode the same frames. Ties are shared out. Videos that are not there, or cannot be read, are named
    and do not count, nor do their texts: with fewer videos to find the numbers are higher.

    Examples:

      vidskim evaluate retrieval --dataset msrvtt --annotations msrvtt/ --videos msrvtt/videos --model ./clip-vit-b32

      vidskim evaluate retrieval --pairs mine.csv --model ./clip-vit-b32 --adapter mine.safetensors --out runs/mine

      vidskim evaluate retrieval --pairs mine.csv --model ./clip-vit-b32 --set merge=true --set merge=false --json
    """

    def body() -> Outcome:
        from vidskim.evaluate.retrieval import evaluate_retrieval as run

        asked = CaptionSource(dataset, annotations, split, pairs, videos)
        data, captioned, folder = asked.read()
        if sample is not None and sample < len(captioned):
            captioned = captioned.part([number * len(captioned) // sample for number in range(sample)])
        read = {"config": read_pairs("--config", config), "scaler": scaler, "device": device, "dtype": dtype}
        contenders = _line_up(model, adapter, method or ["tempme"], read_values(setting), read)
        report = run(contenders, captioned, folder, frames=frames, out=out, on_video=_progress_line())
        about = {**data, "listed": len(captioned), "length_s": captioned.end_s}
        document = {**model_record("retrieval", contenders[0].model, model), **about, **report.to_json()}
        if out is not None:
            write_document(out / RECORD, document)
        return _outcome(report, document, listed=len(captioned))

    run_verb(body, as_json=as_json)


def _line_up(
    model: str,
    adapters: list[Path] | None,
    methods: list[str],
    settings: dict[str, list[object]],
    read: dict[str, Any],
) -> "list[Contender]":
    """The plain model's frames, and each adapter's behind all methods; without adapters the plain model is."""
    from vidskim.evaluate.contenders import line_up
    from vidskim.models.adapter import find_adapter
    from vidskim.pipeline.hub import resolve
    from vidskim.pipeline.load import load_encoder

    plain, every = load_encoder(model, **read), adapters or []
    if not every and (beside := find_adapter(resolve(model), *settings.get("plan", ()))) is not None:
        every = [beside]
    if not every:
        return line_up(plain, methods, settings=settings)
    found = line_up(plain, ())
    for file in every:
        encoder = load_encoder(model, adapter=file, **read)
        found += line_up(encoder, methods, settings=settings, adapter=str(file))
    return found


def _outcome(report: "Report", document: dict[str, Any], *, listed: int) -> Outcome:
    counts = f"{report.videos} of {listed} videos, {report.texts} texts, {report.frames} frames of each"
    error = f"the standard error of a recall over {report.videos} videos is up to {50 / report.videos**0.5:.1f} points"
    lines = [counts, *_tables(report), "", SAID, error, *lost_lines(report.missing, report.failed)]
    return Outcome(document, lines, PARTIAL if report.missing or report.failed else DONE)


def _tables(report: "Report") -> list[Any]:
    """One for each direction."""
    from rich.table import Table

    tables: list[Any] = []
    short = _short_names({score.adapter for score in report.scores if score.adapter})
    for title, place, ways in (
        ("text to video", 0, [score.text_to_video for score in report.scores]),
        ("video to text", 1, [score.video_to_text for score in report.scores]),
    ):
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column(title)
        for heading in ("R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "R-Sum", "GMAC/video", "ms/video"):
            table.add_column(heading, justify="right")
        for score, way in zip(report.scores, ways, strict=True):
            name = f"{score.name}, {short[score.adapter]}" if score.adapter else score.name
            table.add_row(name, *_cells(way), f"{score.macs / 1e9:.2f}", f"{1000 * score.seconds:.0f}")
        table.add_row("chance", *_cells(report.chance[place]), "", "")
        tables += ["", table]
    return tables


def _short_names(paths: Collection[str]) -> dict[str, str]:
    """As much of the end of each path as tells it from the others."""
    most = max((len(Path(path).parts) for path in paths), default=0)
    for count in range(1, most + 1):
        names = {path: "/".join(Path(path).parts[-count:]) for path in paths}
        if len(set(names.values())) == len(paths):
            return names
    return {path: path for path in paths}


def _cells(scores: "RetrievalScores") -> list[str]:
    recalls = [f"{share:.1f}" for share in scores.recalls.values()]
    return [*recalls, f"{scores.median_rank:g}", f"{scores.mean_rank:.1f}", f"{scores.r_sum:.1f}"]


def _progress_line() -> Callable[["Progress"], None]:
    line = counting_line(every_s=5.0)

    def show(progress: "Progress") -> None:
        ended = progress.done == progress.listed
        reused = f", {progress.reused} vectors were there" if progress.reused else ""
        line(f"{progress.done}/{progress.listed} videos, {progress.failed} failed{reused}", ended)

    return show
