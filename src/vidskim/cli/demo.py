"""vidskim demo: the main job from end to end, on videos made on the spot, checked against the truth."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, note, run_verb

if TYPE_CHECKING:
    from rich.table import Table

    from vidskim.cli.demo_page import Section
    from vidskim.pipeline.encoder import VideoEncoder

SEED = 0
METHODS: dict[str, dict[str, Any]] = {
    "full": {},
    "copy": {"interleave": 2},
    "interpolate": {"interleave": 2},
    "residual": {"interleave": 2, "keep": 0.15},
    "reuse": {},
    "reuse, random patches": {"select": "random", "seed": 0},
}


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for videos, store and page.")] = Path("demo-out"),
    videos: Annotated[int, typer.Option(min=2, max=200, help="How many to render.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Render a small library, index it with the bundled model, search it, and check the answers.

    Everything is real: H.264 files, the bundled model, the store, the searches.

    The events are known exactly, so every answer is compared with the truth.

    Writes OUT/index.html with thumbnails and score curves. Needs no network.

    Run it again, and what is rendered and indexed already is not done twice.

    Examples:

      vidskim demo

      vidskim demo --out /tmp/demo --videos 30 --json
    """
    run_verb(lambda: _demo(out, videos=videos, quiet=as_json), as_json=as_json)


def _demo(out: Path, *, videos: int, quiet: bool) -> Outcome:
    from vidskim.cli.console import progress_line
    from vidskim.cli.demo_answers import ground_events, search_events
    from vidskim.cli.demo_page import write_page
    from vidskim.pipeline.index import index
    from vidskim.pipeline.load import load_encoder
    from vidskim.store.dataset import Store
    from vidskim.synth.annotate import read_annotations
    from vidskim.synth.library import write_library

    library = out / f"library-{videos}"
    note(f"rendering {videos} videos into {library}")
    rendered = write_library(library, videos=videos, seed=SEED)
    annotations = read_annotations(library)
    encoder = load_encoder("demo")
    files = sorted((library / "videos").iterdir())
    note("indexing them with the bundled model")
    store = Store.open_or_create(
        out / f"store-{videos}",
        fingerprint=encoder.fingerprint,
        dimensions=encoder.dim,
        origin={"source": "demo", "method": "full"},
    )
    with progress_line(quiet=quiet) as show:
        report = index(files, store, encoder, on_progress=show)
    note("searching and grounding")
    sections = [*search_events(store, encoder, annotations), *ground_events(store, encoder, annotations)]
    note("comparing the methods")
    costs = list(_compare(encoder, files))
    seconds = f"{rendered.video_s:.0f} s of video, {store.count().frames} frames at 3 frames/s"
    right = sum(section.good for section in sections)
    summary = (
        f"{videos} rendered videos, {len(annotations)} events, {seconds}; model: the bundled one. Truth is known: "
        f"{right} of {len(sections)} answers are right. Frames are encoded one at a time: actions do not "
        "count, and of two events of one actor the steadier one may win."
    )
    page = out / "index.html"
    command = f'vidskim search "a blue ring" --store {store.uri}'
    write_page(page, summary=summary, command=command, sections=sections, costs=costs)
    lines = [
        summary,
        *(
            f"{'right' if each.good else 'WRONG'}  {_kind(each)}  {each.query!r}: {each.verdict}"
            for each in sections
        ),
        _table(costs),
        "cosine: mean over P-frames to the full encoder's; MACs: share of the full encoder's over all frames",
        f"the page: {page}",
        f"search it yourself: {command}",
    ]
    document = {
        "out": str(out),
        "page": str(page),
        "videos": videos,
        "events": len(annotations),
        "index": report.to_json(),
        "answers": [_record(section) for section in sections],
        "methods": costs,
    }
    return Outcome(document, lines)


def _kind(section: "Section") -> str:
    return "search" if section.grounding is None else "ground"


def _record(section: "Section") -> dict[str, Any]:
    return {"kind": _kind(section), "query": section.query, "verdict": section.verdict, "right": section.good}


def _compare(encoder: "VideoEncoder", files: "list[Path]") -> "Iterable[dict[str, Any]]":
    """Cost and fidelity of each method on the library."""
    import numpy as np

    from vidskim.evaluate.fidelity import compare
    from vidskim.video.read import read_video

    methods = {
        label: encoder.with_method(label.partition(",")[0], **settings) for label, settings in METHODS.items()
    }
    between: dict[str, list[float]] = {label: [] for label in methods}
    macs = dict.fromkeys(methods, 0)
    for file in files:
        prepared = encoder.prepare(read_video(file, fps=3.0, motion=False))
        full = encoder.encode_pixels(prepared.pixels, times_s=prepared.times_s)
        for label, method in methods.items():
            found = method.encode_pixels(prepared.pixels, times_s=prepared.times_s)
            between[label].append(compare(full, found).between)
            macs[label] += found.macs
    for label in methods:
        cosine = "" if label == "full" else f"{np.nanmean(between[label]):.3f}"
        yield {"method": label, "MACs": f"{macs[label] / macs['full']:.0%}", "cosine": cosine}


def _table(rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in rows[0]:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table
