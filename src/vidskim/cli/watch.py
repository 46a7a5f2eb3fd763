"""vidskim watch: a folder kept indexed."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import DONE, PARTIAL, JsonOption, Outcome, note, progress_line, run_verb
from vidskim.cli.model_options import (
    METHOD_HELP,
    MODEL_HELP,
    Device,
    Dtype,
    Fps,
    ModelChoice,
    Setting,
    StoreOption,
    read_pairs,
)
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.watch import Look
    from vidskim.store.dataset import Store

METHOD = "reuse"
COUNTS = ("done", "failed", "skipped", "moved", "removed")


def watch(
    folder: Annotated[Path, typer.Argument(help="Watched with all below.")],
    *,
    store: StoreOption = "vidskim-store",
    model: Annotated[str | None, typer.Option(help=f"{MODEL_HELP} Default demo, or the store's.")] = None,
    method: Annotated[
        str | None, typer.Option(help=f"{METHOD_HELP} Default {METHOD}, or the store's.")
    ] = None,
    setting: Setting = None,
    fps: Fps = 3.0,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the folder.")] = 5.0,
    settle: Annotated[
        float, typer.Option(min=0.0, help="Seconds a file must be unchanged, or gone, before it counts.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Bring the store up to date, and end.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: JsonOption = False,
) -> None:
    """Keep a folder indexed: new, changed, moved and removed videos. Ctrl-C ends it.

    While the folder is missing or empty, as when a disk is not mounted, nothing is forgotten.

    Examples:

      vidskim watch clips/ --store library

      vidskim watch /footage --store library --model ./clip-vit-b32 --every 60 --once --json
    """

    def body() -> Outcome:
        from vidskim.pipeline.flow import check_fps
        from vidskim.pipeline.origin import load_segmenter_of
        from vidskim.pipeline.watch import Watch

        check_fps(fps or None)
        if not folder.is_dir():
            raise SettingsError(f"no such folder: {folder}")
        opened, encoder = _open(
            store, model, method=method, settings=read_pairs("--set", setting), device=device, dtype=dtype
        )
        segmenter = load_segmenter_of(opened, encoder, source=model, device=device, dtype=dtype)
        watched = Watch(folder, opened, encoder, segmenter, fps=fps or None, settle_s=settle)
        return _run(watched, every_s=every, once=once, quiet=as_json)

    run_verb(body, as_json=as_json)


def _open(
    uri: str, model: str | None, *, method: str | None, settings: dict[str, Any], device: str, dtype: str
) -> "tuple[Store, VideoEncoder]":
    """The store with its own extractor, or a new one."""
    from vidskim.pipeline.origin import load_encoder_of
    from vidskim.store.dataset import Store
    from vidskim.store.location import Location
    from vidskim.store.tables import Tables

    if Tables.exist(Location.of(uri)) and method is None and not settings:
        store = Store.open(uri)
        return store, load_encoder_of(store, source=model, device=device, dtype=dtype)
    choice = ModelChoice(
        source=model or "demo", method=method or METHOD, settings=settings, device=device, dtype=dtype
    )
    encoder = choice.load()
    store = Store.open_or_create(
        uri, fingerprint=encoder.fingerprint, dimensions=encoder.dim, origin=choice.origin()
    )
    return store, encoder


def _run(watched: Any, *, every_s: float, once: bool, quiet: bool) -> Outcome:
    """Look until the end; the account of all looks."""
    counts = dict.fromkeys(COUNTS, 0)
    failures: dict[str, dict[str, str]] = {}
    was_away = False
    if not quiet:
        note(f"watching {watched.folder} for {watched.store.uri}; Ctrl-C ends it")
    try:
        while True:
            with progress_line(quiet=quiet) as show:
                look = watched.look(on_progress=show)
            _count(look, counts, failures)
            if not quiet:
                _tell(look, was_away, str(watched.folder))
            was_away = look.is_away
            if once and not look.waiting:
                break
            time.sleep(min(every_s, watched.settle_s) if once else every_s)
    except KeyboardInterrupt:
        pass
    document = {
        "folder": str(watched.folder),
        "store": watched.store.uri,
        **counts,
        "failures": list(failures.values()),
    }
    line = ", ".join(f"{count} {name}" for name, count in counts.items())
    return Outcome(document, [line], PARTIAL if failures else DONE)


def _count(look: "Look", counts: dict[str, int], failures: dict[str, dict[str, str]]) -> None:
    counts["removed"] += len(look.removed)
    if look.report is None:
        return
    for name in ("done", "failed", "skipped", "moved"):
        counts[name] += getattr(look.report, name)
    failures |= {failure.path: vars(failure) for failure in look.report.failures}


def _tell(look: "Look", was_away: bool, folder: str) -> None:
    """On stderr, what a look led to."""
    if look.is_away and not was_away:
        note(f"{folder} is missing, empty or on another device: waiting for it, nothing is forgotten")
    if look.is_quiet:
        return
    report = look.report
    parts = (
        []
        if report is None
        else [f"{report.done} indexed", f"{report.failed} failed", f"{report.moved} moved"]
    )
    note(", ".join([*parts, f"{len(look.removed)} removed"]))
