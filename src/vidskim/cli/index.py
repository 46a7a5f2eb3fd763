"""vidskim index: videos into a store, to be searched."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import DONE, PARTIAL, JsonOption, Outcome, note, progress_line, run_verb, speed_lines
from vidskim.cli.model_options import (
    MODEL_HELP,
    Config,
    Device,
    Dtype,
    Fps,
    Interleave,
    Keep,
    Method,
    ModelChoice,
    Scaler,
    Setting,
    StoreOption,
    Threshold,
    read_pairs,
)
from vidskim.cli.remedy import remedy_lines
from vidskim.errors import FingerprintError

if TYPE_CHECKING:
    from vidskim.pipeline.index import IndexReport
    from vidskim.pipeline.renewal import Renewal

NAMED = 5  # videos named on stderr before "and so many more"


def index(
    context: typer.Context,
    videos: Annotated[list[str], typer.Argument(help="Files, folders (searched below), or @list.txt.")],
    *,
    store: StoreOption = "vidskim-store",
    model: Annotated[str, typer.Option(help=MODEL_HELP)] = "demo",
    method: Method = "reuse",
    interleave: Interleave = None,
    keep: Keep = None,
    threshold: Threshold = None,
    setting: Setting = None,
    config: Config = None,
    fps: Fps = 3.0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    scaler: Scaler = "pillow",
    reindex: Annotated[
        bool, typer.Option("--reindex", help="Encode again what is there; see below for another model.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Encode videos into a store, so that `vidskim search` finds moments in them.

    What is in the store already is skipped, a file that was moved keeps its vectors, bad files are reported and stop
    nothing. Run it again after a crash or Ctrl-C: finished videos are skipped.

    A store holds the vectors of one model and method. With another one, --reindex empties the store, and encodes
    again every video it held that still exists, together with those named.

    Examples:

      vidskim index clips/

      vidskim index clips/ more/talk.mp4 --store library --model ./clip-vit-b32 --method reuse --threshold 0.06

      vidskim index clips/ --store library --model ./clip-vit-l14 --reindex --json
    """

    def body() -> Outcome:
        choice = ModelChoice(
            source=model,
            method=method,
            settings=read_pairs("--set", setting, interleave=interleave, keep=keep, threshold=threshold),
            config=read_pairs("--config", config),
            scaler=scaler,
            device=device,
            dtype=dtype,
        )
        try:
            return _index(videos, store, choice, fps=fps or None, reindex=reindex, quiet=as_json)
        except FingerprintError as error:
            lines = remedy_lines(context.obj, option="--store", place=Path(store), replace="--reindex")
            raise FingerprintError("\n".join([str(error), *lines]), remedy=error.remedy) from error

    run_verb(body, as_json=as_json)


def _index(
    videos: list[str], uri: str, choice: ModelChoice, *, fps: float | None, reindex: bool, quiet: bool
) -> Outcome:
    from vidskim.pipeline.flow import check_fps
    from vidskim.pipeline.index import index
    from vidskim.pipeline.renewal import add_waiting, finish_renewal, open_or_renew
    from vidskim.pipeline.sources import list_videos, root_of

    check_fps(fps)
    listed = list_videos(videos)
    encoder = choice.load()
    store, renewal = open_or_renew(
        uri,
        fingerprint=encoder.fingerprint,
        dimensions=encoder.dim,
        origin=choice.origin(),
        renew=reindex,
        on_renewal=lambda renewal: _announce(uri, renewal),
    )
    root: Path | None = root_of(videos, listed)
    if renewal is not None:  # what has been encoded since the store was emptied is not done twice
        if renewal.resumed:
            note(f"an interrupted --reindex of {uri} is finished as well: {len(renewal.waiting)} videos")
        listed, root, reindex = add_waiting(listed, renewal), None, False
    with progress_line(quiet=quiet) as show:
        report = index(listed, store, encoder, fps=fps, reindex=reindex, root=root, on_progress=show)
    finish_renewal(uri)
    return _finished(report, renewal)


def _announce(uri: str, renewal: "Renewal") -> None:
    """On stderr, before anything is deleted."""
    note(
        f"{uri} is emptied, since it holds vectors of another extractor; {len(renewal.waiting)} videos that it held "
        "are encoded again with those named"
    )
    if renewal.lost:
        names = [
            *renewal.lost[:NAMED],
            *([f"and {len(renewal.lost) - NAMED} more"] * (len(renewal.lost) > NAMED)),
        ]
        note(f"{len(renewal.lost)} videos are gone, and leave the store: {', '.join(names)}")


def _finished(report: "IndexReport", renewal: "Renewal | None") -> Outcome:
    lines = [
        f"{report.done} done + {report.failed} failed + {report.skipped} skipped = {report.listed} listed",
        *speed_lines(report.frames, report.times),
    ]
    if report.moved:
        lines.append(f"{report.moved} of the skipped were moved: the store knows where they are now")
    if report.damaged:
        lines.append(f"{report.damaged} of the done are damaged; what could be read of them is in the store")
    lines += [f"failed {failure.path}: {failure.message}" for failure in report.failures]
    lines.append(
        f'the store is {report.store}; search it: vidskim search "a sentence" --store {report.store}'
    )
    document: dict[str, Any] = report.to_json()
    document["reindexed"] = (
        None
        if renewal is None
        else {
            "encoded_again": list(renewal.waiting),
            "lost": list(renewal.lost),
        }
    )
    return Outcome(document, lines, PARTIAL if report.failed else DONE)
