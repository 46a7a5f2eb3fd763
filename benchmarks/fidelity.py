"""How close each method stays to the full encoder, at equal cost, on your own clips.

    python benchmarks/fidelity.py CLIPS_A CLIPS_B --model MODEL [--config heads=3] [--fps 3]

Each folder is a set reported apart: all frames at equal total cost, what is gained over plain interpolation on every
clip, and P-frames alone. Cost is MACs, attention included; features are float32 and deterministic, so load does not
matter. Ends with one JSON line, which `benchmarks/pareto.py` draws beside measured times.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import vidskim
from vidskim.evaluate.fidelity import Fidelity, at_equal_cost, compare, cosine_at
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.stream import Prepared

SHARES = (0.35, 0.45, 0.5)
MIDDLE = 0.45  # where clips are looked at one by one, and a family's best curve is chosen
INTERLEAVES = (1, 2, 3, 5)
GROUPS = (3, 5)  # P-frames for each I-frame where a second dial is turned
KEEPS = (0.05, 0.15, 0.35)
PLANNED, FREE = "reuse, budget", "interpolate"  # held against each other on every clip

# family -> label of a curve -> clip -> a point for each setting
Results = dict[str, dict[str, dict[str, list[Fidelity]]]]


@dataclass(frozen=True)
class Curve:
    """Settings of one method along one dial.

    Args:
        family: what it is compared as; of a family's curves the best counts.
        label: of the curve within its family.
        method: name of the frame method.
        dial: the setting that is turned.
        values: what it is turned to.
        fixed: settings that all points have.
    """

    family: str
    label: str
    method: str
    dial: str
    values: Sequence[float]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> list[dict[str, Any]]:
        """One for each value."""
        return [{**self.fixed, self.dial: value} for value in self.values]


def list_curves(*, with_residual: bool) -> list[Curve]:
    """Everything that is compared."""

    def grouped(family: str, method: str, dial: str, values: Sequence[float], **fixed: object) -> list[Curve]:
        return [
            Curve(family, f"N={n}, {dial}", method, dial, values, {"interleave": n, **fixed}) for n in GROUPS
        ]

    curves = [
        Curve("copy", "N", "copy", "interleave", INTERLEAVES),
        Curve(FREE, "N", "interpolate", "interleave", INTERLEAVES),
        Curve("merge", "r", "merge", "r", (16, 19, 22, 26)),
        *grouped("residual without token", "residual", "keep", KEEPS, token=False),
        *grouped("reuse, previous I-frame", "reuse", "keep", KEEPS, anchors="previous"),
        *grouped("reuse, previous I-frame", "reuse", "threshold", (0.06, 0.15), anchors="previous"),
        *grouped("reuse, fixed groups", "reuse", "keep", KEEPS),
        *grouped("reuse, fixed groups", "reuse", "threshold", (0.04, 0.08, 0.15, 0.25)),
        Curve("reuse, random patches", "budget", "reuse", "budget", SHARES, {"select": "random"}),
        Curve(PLANNED, "budget", "reuse", "budget", (0.3, 0.35, 0.4, 0.45, 0.5, 0.6)),
    ]
    return curves + (grouped("residual", "residual", "keep", KEEPS) if with_residual else [])


def measure(encoder: VideoEncoder, curves: Sequence[Curve], clips: Mapping[str, Prepared]) -> Results:
    """Every setting on every clip."""
    full = {name: encoder.encode_pixels(p.pixels, times_s=p.times_s) for name, p in clips.items()}
    results: Results = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for curve in track(curves, description="curves", console=Console(stderr=True)):
        for settings in curve.settings():
            variant = encoder.with_method(curve.method, **settings)
            for name, part in clips.items():
                features = variant.encode_pixels(part.pixels, times_s=part.times_s)
                results[curve.family][curve.label][name].append(compare(full[name], features))
    return results


def print_equal_cost(console: Console, title: str, results: Results) -> None:
    """All frames: each family's best curve at a few shares."""
    table = Table("method", *(f"share {share}" for share in SHARES), title=title)
    for family, curves in results.items():
        found = [at_equal_cost(curves, share) for share in SHARES]
        table.add_row(family, *(f"{value:.4f} ({each:.4f}) {label or ''}" for label, value, each in found))
    console.print(table)


def print_margins(console: Console, results: Mapping[str, Results]) -> None:
    """Each clip at one share: the planned method against interpolation."""
    table = Table("set", "clip", FREE, PLANNED, "margin", title=f"each clip, all frames at share {MIDDLE}")
    margins = {}
    for title, found in results.items():
        (free,), (planned,) = (found[family].values() for family in (FREE, PLANNED))
        for clip in free:
            values = cosine_at(free[clip], MIDDLE), cosine_at(planned[clip], MIDDLE)
            margins[clip] = values[1] - values[0]
            table.add_row(title, clip, *(f"{value:.4f}" for value in values), f"{margins[clip]:+.4f}")
    console.print(table)
    worst = min(margins, key=lambda clip: margins[clip])
    console.print(f"smallest margin: {margins[worst]:+.4f}, {worst}")


def print_between(console: Console, curves: Sequence[Curve], results: Mapping[str, Results]) -> None:
    """P-frames alone, of each curve the setting whose share is nearest to the middle."""
    table = Table("method", "setting", title=f"P-frames alone, settings nearest to share {MIDDLE}")
    for title in results:
        table.add_column(f"{title}: share, cosine, worst frame")
    for curve in curves:
        sets = [list(found[curve.family][curve.label].values()) for found in results.values()]
        columns = list(zip(*(points for clips in sets for points in clips), strict=True))
        shares = [mean(point.share for point in column) for column in columns]
        near = min(range(len(shares)), key=lambda number: abs(shares[number] - MIDDLE))
        cells = []
        for clips in sets:
            own = [points[near] for points in clips]
            means = mean(point.share for point in own), mean(point.between for point in own)
            cells.append(f"{means[0]:.3f} {means[1]:.4f} {min(point.worst for point in own):.3f}")
        table.add_row(curve.family, f"{curve.label}={curve.values[near]}", *cells)
    console.print(table)


def mean(values: Iterable[float]) -> float:
    """Of what is a number."""
    return float(np.nanmean(list(values)))


def to_json(curve: Curve, results: Mapping[str, Results]) -> dict[str, Any]:
    """A curve as plain JSON values: its settings, and share and cosine of each on every clip."""
    clips = {
        clip: [(round(point.share, 5), round(point.cosine, 5)) for point in points]
        for found in results.values()
        for clip, points in found[curve.family][curve.label].items()
    }
    names = {"family": curve.family, "label": curve.label, "method": curve.method}
    return {**names, "settings": curve.settings(), "clips": clips}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--config", nargs="*", default=[], help="what a bare state dict cannot tell, as key=number"
    )
    parser.add_argument("--residual-tokenizer", type=Path, help="a distilled one; adds `residual`")
    parser.add_argument("--fps", type=float, default=3.0)
    options = parser.parse_args()
    config = {key: int(value) for key, value in (pair.split("=") for pair in options.config)}
    encoder = vidskim.load_model(
        options.model,
        config=config or None,
        residual_tokenizer=options.residual_tokenizer,
        device="cpu",
        dtype="float32",
    )
    curves = list_curves(with_residual=options.residual_tokenizer is not None)
    console = Console(width=180)
    results: dict[str, Results] = {}
    for folder in options.folders:
        clips = {
            path.stem: encoder.prepare(vidskim.read_video(path, fps=options.fps))
            for path in sorted(folder.glob("*.mp4"))
        }
        results[folder.name] = measure(encoder, curves, clips)
        print_equal_cost(console, f"{folder.name}: all frames at equal total cost", results[folder.name])
        sys.stdout.flush()
    console.print(
        "mean cosine of a family's best curve for all clips (of each clip's own best), and which it is"
    )
    print_margins(console, results)
    print_between(console, curves, results)
    points = [to_json(curve, results) for curve in curves]
    print(json.dumps({"model": encoder.fingerprint.model, "fps": options.fps, "curves": points}))


if __name__ == "__main__":
    main()
