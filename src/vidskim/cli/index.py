"""vidskim index: videos into a store, to be searched."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from vidskim.cli.retrieval_options import (
    AdapterFile,
    PlanText,
    Retrieval,
    RetrievalChoice,
    SegmentSeconds,
    read_retrieval,
)
from vidskim.errors import FingerprintError

if TYPE_CHECKING:
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.index import IndexReport
    from vidskim.pipeline.renewal import Renewal
    from vidskim.pipeline.segments import Segmenter
    from vidskim.store.dataset import Store

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
    retrieval: Retrieval = None,
    adapter: AdapterFile = None,
    plan: PlanText = None,
    segment_s: SegmentSeconds = None,
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

    With --retrieval each segment and each whole video gets a vector too, for `vidskim search --level`. Frames are
    decoded once for all. A store has such vectors of all its videos: those that lack them are encoded again.

    Examples:

      vidskim index clips/

      vidskim index clips/ more/talk.mp4 --store library --model ./clip-vit-b32 --budget 0.35

      vidskim index clips/ --store library --model ./clip-b16 --retrieval ./clip-b16 --adapter tempme.pt --reindex
    """

    def body() -> Outcome:
        dials = dials_of(setting, budget=budget, interleave=interleave, keep=keep, threshold=threshold)
        known: dict[str, Any] = {"scaler": scaler, "device": device, "dtype": dtype}
        known["config"] = read_pairs("--config", config)
        choice = ModelChoice(source=model, method=method or METHOD, settings=dials, **known)
        choice = choice.calibrated(settings, method=method, fps=fps or None)
        segments = read_retrieval(retrieval, adapter=adapter, plan=plan, segment_s=segment_s, beside=choice)
        run = _Run(store, choice, segments, fps=fps or None, reindex=reindex, yes=yes, quiet=as_json)
        return run.index_or_say(videos, context.obj)

    run_verb(body, as_json=as_json)


@dataclass(frozen=True)
class _Run:
    """What was asked for."""

    uri: str
    choice: ModelChoice
    retrieval: RetrievalChoice | None
    fps: float | None
    reindex: bool
    yes: bool
    quiet: bool

    def index_or_say(self, videos: list[str], arguments: Sequence[str] | None) -> Outcome:
        """Do it; of a store that holds other vectors say which command lines go through."""
        try:
            return self.index(videos)
        except FingerprintError as error:
            lines = remedy_lines(arguments, option="--store", place=self.uri, replace="--reindex")
            raise FingerprintError("\n".join([str(error), *lines]), remedy=error.remedy) from error

    def index(self, videos: list[str]) -> Outcome:
        """Do it."""
        from vidskim.pipeline.flow import check_fps
        from vidskim.pipeline.index import index
        from vidskim.pipeline.renewal import add_waiting, finish_renewal, open_or_renew
        from vidskim.pipeline.sources import list_videos, root_of

        check_fps(self.fps)
        listed, reindex = list_videos(videos), self.reindex
        encoder = self.choice.load()
        segmenter = self._segmenter(encoder)
        if not self.quiet:
            _warn(self.choice.source, encoder)
        store, renewal = open_or_renew(
            self.uri,
            fingerprint=encoder.fingerprint,
            dimensions=encoder.dim,
            origin=self.choice.origin(),
            renew=reindex,
            on_renewal=lambda renewal: _announce(self.uri, renewal, yes=self.yes),
        )
        root: Path | None = root_of(videos, listed)
        if renewal is not None and renewal.waiting:
            if renewal.stage != "new":
                kind = "an interrupted" if renewal.stage == "interrupted" else "an earlier"
                note(f"{kind} --reindex of {self.uri} is finished as well: {len(renewal.waiting)} videos")
            listed, root = add_waiting(listed, renewal.waiting), None
        if renewal is not None and renewal.stage == "interrupted":
            reindex = False  # what has been encoded since the store was emptied is not done twice
        if segmenter is not None and (lacking := _keep_levels(store, segmenter, overwrite=reindex)):
            listed, root = add_waiting(listed, lacking), None
        with progress_line(quiet=self.quiet) as show:
            report = index(
                listed,
                store,
                encoder,
                segmenter=segmenter,
                fps=self.fps,
                reindex=reindex,
                root=root,
                on_progress=show,
            )
        return _finished(report, renewal, () if renewal is None else finish_renewal(renewal, store))

    def _segmenter(self, encoder: "VideoEncoder") -> "Segmenter | None":
        """The one asked for, or the store's own."""
        from vidskim.pipeline.origin import load_segmenter_of
        from vidskim.store.dataset import Store
        from vidskim.store.location import Location
        from vidskim.store.tables import Tables

        if self.retrieval is not None:
            return self.retrieval.load(encoder)
        if not Tables.exist(Location.of(self.uri)):
            return None
        store, choice = Store.open(self.uri), self.choice
        return load_segmenter_of(store, encoder, device=choice.device, dtype=choice.dtype)


def _warn(source: str, encoder: "VideoEncoder") -> None:
    """On stderr, what a search will not find."""
    if source == "demo":
        note(BUNDLED)
    if encoder.text is not None and encoder.tokenizer is None:
        note(
            f"{source} has a text tower but no tokenizer files: its store cannot be searched by text until "
            "tokenizer.json (or vocab.json and merges.txt) lies beside the weights"
        )


def _keep_levels(store: "Store", segmenter: "Segmenter", *, overwrite: bool) -> list[str]:
    """Have a store keep vectors of segments; paths of the videos that lack them and can be read now."""
    from vidskim.store.identity import is_gone

    store.keep_levels(
        fingerprint=segmenter.fingerprint,
        dimensions=segmenter.model.dim,
        origin=segmenter.origin,
        overwrite=overwrite,
    )
    bare = [video.path for video in store.videos() if video.segments is None]
    lacking = [path for path in bare if "://" not in path and not is_gone(path)]
    if lacking:
        note(
            f"{len(lacking)} videos in {store.uri} have no vectors of segments yet: they are encoded again as well"
        )
    return lacking


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
    if report.segments:
        lines.append(f"{report.segments} segments have vectors of their own, and so have the whole videos")
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
