"""How close each method stays to the full encoder, at equal cost, on your own clips.

    python benchmarks/fidelity.py CLIPS_A CLIPS_B --model MODEL [--config heads=3] [--fps 3]

Each folder is a set reported apart. Prints P-frames alone for every setting, all frames at equal total cost, and ends
with one JSON line. Cost is MACs, attention included; features are float32 and deterministic, so load does not matter.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

import vidskim
from vidskim.evaluate.fidelity import Fidelity, at_equal_cost, compare
from vidskim.methods.residual import ResidualTokenizer
from vidskim.pipeline.encoder import VideoEncoder

INTERLEAVES = (1, 2, 3, 5)
KEEPS = (0.05, 0.15, 0.3)
THRESHOLDS = (0.03, 0.06, 0.1, 0.15, 0.25)
SHARES = (0.35, 0.45, 0.5)
# family -> method and its fixed settings; each is run over a dial of its own
FAMILIES: dict[str, tuple[str, dict[str, object]]] = {
    "copy": ("copy", {}),
    "interpolate": ("interpolate", {}),
    "residual, random tokenizer": ("residual", {"select": "difference"}),
    "reuse previous-I": ("reuse", {"anchors": "previous"}),
    "reuse both-I": ("reuse", {}),
    "reuse both-I, random patches": ("reuse", {"select": "random"}),
}


def settings_of(family: str) -> list[tuple[str, dict[str, object]]]:
    """Every setting of a family, each with the label of the curve it lies on."""
    method, fixed = FAMILIES[family]
    if method in ("copy", "interpolate"):
        return [("N", {"interleave": n}) for n in INTERLEAVES]
    runs = [(f"N={n}, keep", {"interleave": n, "keep": k, **fixed}) for n in INTERLEAVES for k in KEEPS]
    if method == "reuse" and "select" not in fixed:
        runs += [
            (f"N={n}, threshold", {"interleave": n, "threshold": t, **fixed})
            for n in INTERLEAVES
            for t in THRESHOLDS
        ]
    return runs


def measure(
    encoder: VideoEncoder, clips: dict[str, vidskim.Clip]
) -> dict[str, list[tuple[str, dict, dict[str, Fidelity]]]]:
    """Family -> (curve, settings, clip -> fidelity)."""
    torch.manual_seed(0)
    config = encoder.trunk.config
    tokenizer = ResidualTokenizer(dim=config.dim, width=config.width).to(encoder.device).requires_grad_(False)
    prepared = {name: encoder.prepare(clip) for name, clip in clips.items()}
    full = {name: encoder.encode_pixels(p.pixels, times_s=p.times_s) for name, p in prepared.items()}
    results = defaultdict(list)
    for family, curve, settings in track(
        [(f, *run) for f in FAMILIES for run in settings_of(f)],
        description="settings",
        console=Console(stderr=True),
    ):
        variant = encoder.with_method(FAMILIES[family][0], tokenizer=tokenizer, **settings)
        fidelities = {
            name: compare(full[name], variant.encode_pixels(p.pixels, times_s=p.times_s))
            for name, p in prepared.items()
        }
        results[family].append((curve, settings, fidelities))
    return results


def print_between(console: Console, title: str, results: dict, names: list[str]) -> None:
    """P-frames alone: mean over clips, and each clip."""
    table = Table(
        *("method", "N", "keep", "threshold", "share", "cosine"),
        *(Path(n).stem[:10] for n in names),
        title=title,
    )
    for family, runs in results.items():
        for _, settings, fidelities in runs:
            values = [fidelities[name].between for name in names]
            share = np.mean([fidelities[name].share for name in names])
            dials = (str(settings.get(dial, "")) for dial in ("interleave", "keep", "threshold"))
            table.add_row(
                family, *dials, f"{share:.3f}", f"{np.mean(values):.4f}", *(f"{v:.3f}" for v in values)
            )
    console.print(table)


def equal_cost(results: dict, names: list[str]) -> dict[str, dict[str, tuple[str | None, float, float]]]:
    """Family -> share -> best single setting, its mean cosine, mean of each clip's best."""
    found = {}
    for family, runs in results.items():
        curves: dict[str, dict[str, list[Fidelity]]] = defaultdict(lambda: defaultdict(list))
        for curve, _, fidelities in runs:
            for name in names:
                curves[curve][name].append(fidelities[name])
        found[family] = {str(share): at_equal_cost(curves, share) for share in SHARES}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--config", nargs="*", default=[], help="what a bare state dict cannot tell, as key=number"
    )
    parser.add_argument("--fps", type=float, default=3.0)
    options = parser.parse_args()
    config = {key: int(value) for key, value in (pair.split("=") for pair in options.config)}
    encoder = vidskim.load_model(options.model, config=config or None, device="cpu", dtype="float32")
    sets = {folder.name: sorted(folder.glob("*.mp4")) for folder in options.folders}
    clips = {
        str(path): vidskim.read_video(path, fps=options.fps) for paths in sets.values() for path in paths
    }
    results = measure(encoder, clips)
    console = Console(width=200)
    summary = {}
    for title, paths in sets.items():
        names = [str(path) for path in paths]
        print_between(console, f"{title}: P-frames alone, cosine to the full encoder", results, names)
        summary[title] = equal_cost(results, names)
        table = Table(
            "method",
            *(f"share {share}" for share in SHARES),
            title=f"{title}: all frames at equal total cost",
        )
        for family, row in summary[title].items():
            table.add_row(
                family, *(f"{mean:.4f} ({each:.4f}) {label or ''}" for label, mean, each in row.values())
            )
        console.print(table)
    console.print(
        "mean cosine of the best single curve for all clips (best chosen per clip), and which curve it is"
    )
    print(json.dumps({"model": encoder.fingerprint.model, "fps": options.fps, "equal_cost": summary}))


if __name__ == "__main__":
    main()
