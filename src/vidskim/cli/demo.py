"""vidskim demo: the whole way from video files to features, on material made on the spot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, note, run_verb

if TYPE_CHECKING:
    from rich.table import Table

    from vidskim.pipeline.ledger import ExtractReport

METHODS: dict[str, dict[str, Any]] = {
    "full": {},
    "copy": {"interleave": 2},
    "interpolate": {"interleave": 2},
    "residual": {"interleave": 2, "keep": 0.15},
    "reuse": {"interleave": 2, "keep": 0.15},
}


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for clips and features.")] = Path("demo-out"),
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="Length of each clip.")] = 8.0,
    as_json: JsonOption = False,
) -> None:
    """Render moving clips, extract their features five ways, and compare cost and fidelity.

    Until a trained model comes with the package its weights are random (seeded).

    Times and costs are real, fidelity only shows that the methods work. Needs no network.

    Examples:

      vidskim demo

      vidskim demo --out /tmp/demo --seconds 20 --json
    """
    run_verb(lambda: _demo(out, seconds=seconds), as_json=as_json)


def _demo(out: Path, *, seconds: float) -> Outcome:
    from vidskim.cli.samples import write_clips, write_model
    from vidskim.pipeline.extract import extract
    from vidskim.pipeline.load import load_model

    note(f"rendering three clips of {seconds:g} s into {out / 'clips'}")
    clips = write_clips(out / "clips", seconds=seconds)
    model = out / "random-model.safetensors"
    write_model(model, width=192, layers=6, patch=16, image=224)
    rows = []
    reports: dict[str, ExtractReport] = {}
    for method, settings in METHODS.items():
        note(f"extracting with {method}")
        encoder = load_model(model, method=method, **settings)
        reports[method] = extract(clips, out / method, encoder, fps=3.0, overwrite=True)
        rows.append(_row(method, settings, out, reports))
    lines = [
        f"{rows[0]['frames']} frames, three clips",
        _table(rows),
        f"files: {out}/METHOD/CLIP.mp4.safetensors, and manifest.jsonl beside them",
        _REMARK,
    ]
    return Outcome({"out": str(out), "clips": [str(clip) for clip in clips], "methods": rows}, lines)


_REMARK = (
    "cosine: mean over P-frames against the full encoder; MACs: share of the full encoder's; stages in seconds.\n"
    "All weights, the residual tokenizer's too, are random: the cosines say nothing about trained models."
)


def _row(
    method: str, settings: dict[str, Any], out: Path, reports: "dict[str, ExtractReport]"
) -> dict[str, Any]:
    report, full = reports[method], reports["full"]
    return {
        "method": method,
        "settings": settings,
        "frames": report.frames,
        "cosine": _p_frame_cosine(out, method),
        "macs_share": round(report.macs / full.macs, 4),
        "frames_per_s": round(report.frames_per_s, 1),
        "times": report.times.to_json(),
    }


def _p_frame_cosine(out: Path, method: str) -> float | None:
    """Mean cosine to the full encoder over the P-frames of all clips; None if there are none."""
    import numpy as np

    from vidskim.pipeline.files import read_features
    from vidskim.pipeline.manifest import read_lines

    cosines: list[float] = []
    for line in read_lines(out / method / "manifest.jsonl"):
        record = read_features(out / method, line["name"], line["format"])
        reference = read_features(out / "full", line["name"], line["format"])
        products = np.sum(record.features * reference.features, axis=1)
        cosines += products[record.kinds == 0].tolist()
    return round(float(np.mean(cosines)), 4) if cosines else None


def _table(rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    stages = ("decode", "prepare", "encode", "write")
    headings = ("method", "cosine", "MACs", *stages, "frames/s", "limit")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        cosine = "" if row["cosine"] is None else f"{row['cosine']:.3f}"
        seconds = (f"{row['times'][stage + '_s']:.2f}" for stage in stages)
        rate, limiting = f"{row['frames_per_s']:.1f}", row["times"]["limiting"]
        table.add_row(row["method"], cosine, f"{row['macs_share']:.0%}", *seconds, rate, limiting)
    return table
