"""vidskim index: videos into a store, to be searched."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import (
    DONE,
    PARTIAL,
    JsonOption,
    Outcome,
    confirm,
    note,
    progress_line,
    run_verb,
    speed_lines,
)
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
    StoreOption,
    Threshold,
    dials_of,
    read_pairs,
)
from vidskim.cli.remedy import remedy_lines
from vidskim.errors import FingerprintError

if TYPE_CHECKING:
    from vidskim.pipeline.index import IndexReport
    from vidskim.pipeline.renewal import Renewal

BUNDLED = (
    "the bundled model knows coloured shapes only; for other videos fetch one, such as "
    "`vidskim prepare openai/clip-vit-base-patch32`, and give it: --model openai/clip-vit-base-patch32"
)
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Let --reindex drop vectors of videos that are not there now.")
]
METHOD = "reuse"
MethodOrNone = Annotated[str | None, typer.Option(help=f"{METHOD_HELP} Default {METHOD}.")]
NAMED = 5  # videos named on stderr before "and so many more"


def index(
    context: typer.Context,
    videos: Annotated[list[str], typer.Argument(help="Files, folders (searched below), or @list.txt.")],
    *,
    store: StoreOption = "vidskim-store",
    model: Annotated[str, typer.Option(help=MODEL_HELP)] = "demo",
    method: MethodOrNone = None,
    budget: Budget = None,
    interleave: Interleave = None,
    keep: Keep = None,
    threshold: Threshold = None,
    setting: Setting = None,
    settings: SettingsFile = None,
    config: Config = None,
    fps: Fps = 3.0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    scaler: Scaler = "pillow",
    reindex: Annotated[
        bool, typer.Option("--reindex", help="Encode again what is there; see below for another model.")
    ] = False,
    yes: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Encode videos into a store, so that `vidskim search` finds moments in them.

    What is in the store already is skipped, a file that was moved keeps its vectors, bad files are reported and stop
    nothing. Run it again after a crash or Ctrl-C: finished videos are skipped.

    A store holds the vectors of one model and method. With another one, --reindex empties the store, and encodes
    again every video it held, together with those named; those that fail or are missing wait for the next run.

    Examples:

      vidskim index clips/

      vidskim index clips/ more/talk.mp4 --store library --model ./clip-vit-b32 --budget 0.35

      vidskim index clips/ --store library --model ./clip-vit-l14 --reindex --json
    """

    def body() -> Outcome:
        choice = ModelChoice(
            source=model,
            method=method or METHOD,
            settings=dials_of(setting, budget=budget, interleave=interleave, keep=keep, threshold=threshold),
            config=read_pairs("--config", config),
            scaler=scaler,
            device=device,
            dtype=dtype,
        ).calibrated(settings, method=method, fps=fps or None)
        try:
            return _index(videos, store, choice, fps=fps or None, reindex=reindex, yes=yes, quiet=as_json)
        except FingerprintError as error:
            lines = remedy_lines(context.obj, option="--store", place=store, replace="--reindex")
            raise FingerprintError("\n".join([str(error), *lines]), remedy=error.remedy) from error

    run_verb(body, as_json=as_json)


def _index(
    videos: list[str],
    uri: str,
    choice: ModelChoice,
    *,
    fps: float | None,
    reindex: bool,
    yes: bool,
    quiet: bool,
) -> Outcome:
    from vidskim.pipeline.flow import check_fps
    from vidskim.pipeline.index import index
    from vidskim.pipeline.renewal import add_waiting, finish_renewal, open_or_renew
    from vidskim.pipeline.sources import list_videos, root_of

    check_fps(fps)
    listed = list_videos(videos)
    encoder = choice.load()
    if choice.source == "demo" and not quiet:
        note(BUNDLED)
    if encoder.text is not None and encoder.tokenizer is None and not quiet:
        note(
            f"{choice.source} has a text tower but no tokenizer files: its store cannot be searched by text until "
            "tokenizer.json (or vocab.json and merges.txt) lies beside the weights"
        )
    store, renewal = open_or_renew(
        uri,
        fingerprint=encoder.fingerprint,
        dimensions=encoder.dim,
        origin=choice.origin(),
        renew=reindex,
        on_renewal=lambda renewal: _announce(uri, renewal, yes=yes),
    )
    root: Path | None = root_of(videos, listed)
    if renewal is not None and renewal.waiting:
        if renewal.stage != "new":
            kind = "an interrupted" if renewal.stage == "interrupted" else "an earlier"
            note(f"{kind} --reindex of {uri} is finished as well: {len(renewal.waiting)} videos")
        listed, root = add_waiting(listed, renewal), None
    if renewal is not None and renewal.stage == "interrupted":
        reindex = False  # what has been encoded since the store was emptied is not done twice
    with progress_line(quiet=quiet) as show:
        report = index(listed, store, encoder, fps=fps, reindex=reindex, root=root, on_progress=show)
    return _finished(report, renewal, () if renewal is None else finish_renewal(renewal, store))


def _announce(uri: str, renewal: "Renewal", *, yes: bool) -> None:
    """On stderr, before anything is deleted; a question where that could not be made good."""
    if renewal.dropped:
        confirm(
            f"{len(renewal.dropped)} videos in {uri} are not there now ({_some(renewal.dropped)}): --reindex deletes "
            "their vectors, and can make new ones only once the files are back. Go on?",
            yes=yes,
        )
    note(
        f"{uri} is emptied, since it holds vectors of another extractor; {len(renewal.waiting)} videos that it held "
        "are encoded again with those named"
    )


def _some(paths: Sequence[str]) -> str:
    more = [f"and {len(paths) - NAMED} more"] if len(paths) > NAMED else []
    return ", ".join([*paths[:NAMED], *more])


def _finished(report: "IndexReport", renewal: "Renewal | None", left: Sequence[str]) -> Outcome:
    from vidskim.pipeline.renewal import waiting_file

    lines = [
        f"{report.done} done + {report.failed} failed + {report.skipped} skipped = {report.listed} listed",
        *speed_lines(report.frames, report.times),
    ]
    if report.moved:
        lines.append(f"{report.moved} of the skipped were moved: the store knows where they are now")
    if report.damaged:
        lines.append(f"{report.damaged} of the done are damaged; what could be read of them is in the store")
    lines += [f"failed {failure.path}: {failure.message}" for failure in report.failures]
    if left:
        lines.append(
            f"{len(left)} videos that the store held before --reindex are not in it yet ({_some(left)}): the next "
            f"`vidskim index` into it tries them again; to forget them, delete {waiting_file(report.store)}"
        )
    lines.append(
        f'the store is {report.store}; search it: vidskim search "a sentence" --store {report.store}'
    )
    document: dict[str, Any] = report.to_json()
    document["reindexed"] = None
    if renewal is not None:
        again = [path for path in renewal.waiting if path not in set(left)]
        document["reindexed"] = {"encoded_again": again, "left": list(left)}
    return Outcome(document, lines, PARTIAL if report.failed else DONE)
