"""vidskim store: what is in a store, and its upkeep."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, bytes_text, confirm, run_verb, time_text
from vidskim.cli.model_options import StoreOption
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from rich.table import Table

    from vidskim.store.dataset import Store
    from vidskim.store.records import StoredVideo

STORE = "vidskim-store"

store = typer.Typer(
    help="Look after a store that `vidskim index` made: list, remove, move, compact, index.",
    no_args_is_help=True,
)
Gone = Annotated[bool, typer.Option("--gone", help="Only videos whose file no longer exists.")]


@store.command("list")
def list_store(*, uri: StoreOption = STORE, gone: Gone = False, as_json: JsonOption = False) -> None:
    """Show the videos of a store: id, path, duration, frames, when they were indexed, whether the file is gone.

    Segments are shown where a store keeps vectors of them and of whole videos; see `vidskim index --retrieval`.

    Examples:

      vidskim store list --store library

      vidskim store list --store library --gone --json
    """

    def body() -> Outcome:
        opened = _open(uri)
        about, rows = opened.about, [_row(video) for video in opened.videos()]
        rows = [row for row in rows if row["gone"] or not gone]
        levels = _levels(opened)
        frames, size = sum(row["frames"] for row in rows), opened.bytes_on_disk()
        document = {
            "store": opened.uri,
            "model": about.origin.get("source"),
            "method": about.fingerprint.method,
            "dimensions": about.dimensions,
            "created_at": about.created_at,
            "bytes": size,
            "levels": levels,
            "videos": rows,
        }
        made = f"made with {document['model'] or about.fingerprint.model}, method {document['method']}"
        if levels is not None:
            made += f"; {levels['segments']} segments, {levels['videos']} whole videos by {levels['model']}"
        total = f"{len(rows)} videos, {frames} frames, {bytes_text(size)}; {made}"
        return Outcome(document, [_table(rows), total] if rows else [total])

    run_verb(body, as_json=as_json)


@store.command("remove")
def remove(
    videos: Annotated[list[str] | None, typer.Argument(help="Ids, paths, or folders with all below.")] = None,
    *,
    uri: StoreOption = STORE,
    gone: Gone = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove videos from a store; the files stay where they are.

    Examples:

      vidskim store remove clips/old.mp4 3f2a90b1c7de --store library

      vidskim store remove --gone --yes --store library
    """

    def body() -> Outcome:
        if gone == bool(videos):
            raise SettingsError("name videos by id or path, or give --gone; one of the two")
        opened = _open(uri)
        chosen = {video.id: video for name in videos or [] for video in _named(opened, name)}
        if gone:
            chosen = {video.id: video for video in opened.videos() if _row(video)["gone"]}
        if chosen:
            names = ", ".join(video.path for video in list(chosen.values())[:3])
            more = ", ..." if len(chosen) > 3 else ""
            confirm(f"Remove {len(chosen)} videos ({names}{more}) from {opened.uri}?", yes=yes)
            opened.remove(chosen)
        removed = [{"id": video.id, "path": video.path} for video in chosen.values()]
        line = f"{len(removed)} videos removed; `vidskim store compact --store {uri}` frees the room"
        return Outcome({"store": opened.uri, "removed": removed}, [line])

    run_verb(body, as_json=as_json)


@store.command("move")
def move(
    old: Annotated[str, typer.Argument(help="A stored file or folder, as it was.")],
    new: Annotated[str, typer.Argument(help="Where it is now.")],
    *,
    uri: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Tell a store that a file, or a folder with all its videos, lies elsewhere now; nothing is encoded again.

    Move the files first. One that is not at its new place, or is another one, stops everything before it starts.

    Examples:

      vidskim store move clips /archive/clips --store library
    """

    def body() -> Outcome:
        from vidskim.store.relocation import relocate

        opened = _open(uri)
        moved = [
            {"id": video.id, "from": before, "to": video.path} for before, video in relocate(opened, old, new)
        ]
        return Outcome({"store": opened.uri, "moved": moved}, [f"{len(moved)} videos moved"])

    run_verb(body, as_json=as_json)


@store.command("compact")
def compact(*, uri: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Free the room that removed videos and old versions take, and join small files.

    Examples:

      vidskim store compact --store library
    """

    def body() -> Outcome:
        opened = _open(uri)
        sizes = opened.compact()
        document = {"store": opened.uri, **vars(sizes)}
        return Outcome(
            document, [f"{bytes_text(sizes.bytes_before)} before, {bytes_text(sizes.bytes_after)} now"]
        )

    run_verb(body, as_json=as_json)


@store.command("index")
def build_index(*, uri: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Build or rebuild the index for approximate search; worth it above 200,000 frames.

    Examples:

      vidskim store index --store library
    """

    def body() -> Outcome:
        opened, start = _open(uri), time.perf_counter()
        opened.build_index()
        seconds, frames = round(time.perf_counter() - start, 3), opened.count().frames
        document = {"store": opened.uri, "frames": frames, "seconds": seconds}
        return Outcome(document, [f"an index over {frames} frames in {seconds:.1f} s"])

    run_verb(body, as_json=as_json)


def _open(uri: str) -> "Store":
    from vidskim.store.dataset import Store

    return Store.open(uri)


def _row(video: "StoredVideo") -> dict[str, Any]:
    from vidskim.store.identity import is_gone

    return {
        "id": video.id,
        "path": video.path,
        "name": video.name,
        "duration_s": video.duration_s,
        "frames": video.frames,
        "segments": video.segments,
        "fps": video.fps,
        "indexed_at": video.indexed_at,
        "gone": is_gone(video.path),
    }


def _levels(opened: "Store") -> dict[str, Any] | None:
    """What a store keeps of segments and whole videos; None if nothing."""
    if opened.levels is None:
        return None
    about, (videos, segments) = opened.levels.about, opened.levels.count()
    return {
        "model": about.origin.get("source"),
        "adapter": about.origin.get("adapter"),
        "plan": about.fingerprint.settings["plan"],
        "segment_s": about.origin.get("segment_s"),
        "dimensions": about.dimensions,
        "videos": videos,
        "segments": segments,
    }


def _table(rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    kept = any(row["segments"] is not None for row in rows)
    counts = ("frames", "segments") if kept else ("frames",)
    for heading in ("id", "duration", *counts, "indexed at", "path"):
        table.add_column(
            heading, overflow="fold", justify="right" if heading in ("duration", *counts) else "left"
        )
    for row in rows:
        path = f"{row['path']} (gone)" if row["gone"] else row["path"]
        shown = ("-" if row[name] is None else str(row[name]) for name in counts)
        numbers = time_text(row["duration_s"]), *shown
        table.add_row(row["id"], *numbers, row["indexed_at"][:16].replace("T", " "), path)
    return table


def _named(store: "Store", name: str) -> "list[StoredVideo]":
    """The videos behind an id, a path or a folder."""
    from vidskim.tasks.stored import find_stored

    return store.videos(folder=name) or [find_stored(store, name)]
