"""One picture of what `benchmarks/fidelity.py` found: mean cosine against the share of MACs and of measured time.

    python benchmarks/fidelity.py CLIPS_A CLIPS_B --model MODEL > fidelity.txt
    python benchmarks/pareto.py fidelity.txt CLIPS_A CLIPS_B --model MODEL --plot picture.png [--rounds 5]

Of each family it draws the curve that is best at 45 % of the full encoder's MACs over the clips in the folders. Times
are taken here, on the first frames of the longest clip of each folder, settings in turns in one process, each run held
against the full encoder's runs around it. Ends with one JSON line.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vidskim
from vidskim.disk import writing
from vidskim.evaluate.observe import observe
from vidskim.evaluate.sample import Excerpt
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.stream import Prepared
from vidskim.tasks.plot import new_figure

MIDDLE = 0.45
FREE = ("copy", "interpolate")  # no compute between I-frames
GREYS = ("0.35", "0.55", "0.75")  # what is to be beaten
COLOURS = ("C2", "C3", "C4", "C1", "C0", "C5")
MARKERS = "osD^vP*X"


def pick_curves(curves: Sequence[dict[str, Any]], clips: set[str]) -> list[dict[str, Any]]:
    """Of each family the curve with the highest mean cosine at the middle share; with means over the clips."""
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for curve in curves:
        found = np.array([points for clip, points in curve["clips"].items() if clip in clips])
        ordered = [points[points[:, 0].argsort()] for points in found]  # [settings, share and cosine]
        if any(points[0, 0] > MIDDLE for points in ordered):
            continue  # one of the clips is never so cheap
        score = float(np.mean([np.interp(MIDDLE, points[:, 0], points[:, 1]) for points in ordered]))
        shares, cosines = found.mean(axis=0).T.tolist()
        if curve["family"] not in best or score > best[curve["family"]][0]:
            best[curve["family"]] = score, {**curve, "shares": shares, "cosines": cosines}
    return [curve for _, curve in best.values()]


def take_times(
    encoder: VideoEncoder, curves: Sequence[Mapping[str, Any]], parts: Sequence[Prepared], *, rounds: int
) -> list[list[float]]:
    """Of each curve's settings the time over the full encoder's, the median of the rounds."""
    variants = [
        [encoder.with_method(curve["method"], **own) for own in curve["settings"]] for curve in curves
    ]
    every = [encoder, *(variant for own in variants for variant in own)]
    words = torch.empty(0, encoder.dim)
    observe(every, Excerpt(parts[:1], goes_on=False), rounds=1, words=words)  # what is slow only once
    observed = iter(observe(every, Excerpt(parts, goes_on=False), rounds=rounds, words=words)[1:])
    return [[float(np.median(next(observed).time_shares)) for _ in own] for own in variants]


def draw(path: Path, curves: Sequence[Mapping[str, Any]], *, title: str, bottom: float) -> None:
    """Two panels; what stays below the bottom is named in the legend."""
    figure = new_figure(width=12, height=5.8)
    left, right = figure.subplots(1, 2, sharey=True)
    greys, colours = iter(GREYS), iter(COLOURS)
    for number, curve in enumerate(curves):
        control = curve["method"] in FREE or "random" in curve["settings"][0].values()
        style = {"marker": MARKERS[number % len(MARKERS)], "markersize": 5, "linewidth": 1.4}
        style |= {"color": next(greys), "linestyle": "--"} if control else {"color": next(colours)}
        top = max(curve["cosines"])
        label = f"{curve['family']} ({curve['label']})" + (f": below {top:.2f}" if top < bottom else "")
        left.plot(curve["shares"], curve["cosines"], label=label, **style)
        right.plot(curve["time_shares"], curve["cosines"], **style)
    for axes, cost in ((left, "multiply-accumulates"), (right, "time, as measured")):
        axes.scatter([1], [1], color="black", zorder=3, label="full")
        axes.set(xlabel=f"share of the full encoder's {cost}", ylim=(bottom, 1.005))
        axes.set_xlim(left=0)
        axes.grid(alpha=0.25)
    left.set_ylabel("mean cosine to the full features, all frames")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, parse_math=False)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fidelity", type=Path, help="what benchmarks/fidelity.py printed")
    parser.add_argument("folders", nargs="+", type=Path, help="of the clips it read")
    parser.add_argument("--model", required=True)
    parser.add_argument("--config", nargs="*", default=[], help="as for fidelity.py")
    parser.add_argument("--residual-tokenizer", type=Path)
    parser.add_argument("--plot", type=Path, required=True, help=".png to write")
    parser.add_argument("--bottom", type=float, default=0.8, help="lowest cosine that is drawn")
    parser.add_argument("--dtype", default="float32", help="for the times")
    parser.add_argument("--rounds", type=int, default=5, help="times each setting is timed")
    parser.add_argument("--frames", type=int, default=48, help="timed frames of each folder")
    given = parser.parse_args()
    found = json.loads(given.fidelity.read_text().splitlines()[-1])
    config = {key: int(value) for key, value in (pair.split("=") for pair in given.config)}
    encoder = vidskim.load_model(
        given.model,
        config=config or None,
        residual_tokenizer=given.residual_tokenizer,
        device="cpu",
        dtype=given.dtype,
    )
    paths = {folder: sorted(folder.glob("*.mp4")) for folder in given.folders}
    curves = pick_curves(found["curves"], {path.stem for own in paths.values() for path in own})
    parts = []
    for own in paths.values():
        clip = max((vidskim.read_video(path, fps=found["fps"]) for path in own), key=len)
        parts.append(encoder.prepare(clip[: given.frames]))
    for curve, times in zip(curves, take_times(encoder, curves, parts, rounds=given.rounds), strict=True):
        curve["time_shares"] = times
    conditions = (
        f"{given.dtype}, {torch.get_num_threads()} threads, {sum(len(part.times_s) for part in parts)} frames, "
        f"medians of {given.rounds} rounds"
    )
    count = sum(map(len, paths.values()))
    title = (
        f"{found['model']}: mean over {count} clips at {found['fps']:g} frames a second; times: {conditions}"
    )
    draw(given.plot, curves, title=title, bottom=given.bottom)
    for curve in curves:
        for values in zip(
            curve["settings"], curve["shares"], curve["time_shares"], curve["cosines"], strict=True
        ):
            settings, *numbers = values
            print(f"{curve['family']:<26}{settings!s:<48}", *(f"{number:8.4f}" for number in numbers))
    kept = [{name: value for name, value in curve.items() if name != "clips"} for curve in curves]
    print(json.dumps({"model": found["model"], "times": conditions, "curves": kept}))


if __name__ == "__main__":
    main()
