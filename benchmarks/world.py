"""What each method keeps of retrieval and grounding on held-out synthetic videos, and at what share of the cost.

    vidskim synth world --videos 200 --split test --seed 0
    python benchmarks/world.py world --model demo

Every event is a query: its first caption. Rankings are among 50 videos, one event each, averaged over ten draws of the
events. Grounding is the zero-shot procedure in the event's own video. Beside the methods stand three signals without a
model: noise (chance), one that knows what single frames show but not what moves, and one that knows the event exactly.
The tables are followed by one line of JSON.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidskim import load_model, read_video
from vidskim.evaluate.fidelity import compare
from vidskim.evaluate.world import (
    POOL,
    Judgement,
    Signals,
    chance_signals,
    judge,
    look_signals,
    perfect_signals,
)
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.features import Features
from vidskim.pipeline.stream import Prepared
from vidskim.synth.annotate import Annotation, read_annotations

# label, method, settings: the free methods at about the total cost of the others, those at 45 and 35 %
METHODS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("full", "full", {}),
    ("copy N=1", "copy", {"interleave": 1}),
    ("copy N=2", "copy", {"interleave": 2}),
    ("interpolate N=1", "interpolate", {"interleave": 1}),
    ("interpolate N=2", "interpolate", {"interleave": 2}),
    ("merge r=12", "merge", {"r": 12}),
    ("merge r=20", "merge", {"r": 20}),
    ("residual", "residual", {"interleave": 2, "keep": 0.15}),
    ("residual no token", "residual", {"interleave": 2, "keep": 0.15, "token": False}),
    ("reuse 0.45", "reuse", {"budget": 0.45}),
    ("reuse 0.45 random", "reuse", {"budget": 0.45, "select": "random", "seed": 0}),
    ("reuse 0.35", "reuse", {"budget": 0.35}),
    ("reuse N=2 keep", "reuse", {"interleave": 2, "keep": 0.15}),
    ("reuse N=3 threshold", "reuse", {"interleave": 3, "threshold": 0.06}),
)
EVENTS: dict[str, Callable[[Annotation], bool]] = {
    "all": lambda each: True,
    "seen": lambda each: not each.held_out,
    "held-out": lambda each: each.held_out,
    "moving": lambda each: each.camera in ("pan", "zoom", "handheld"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", type=Path, help="folder that `vidskim synth` wrote")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--fps", type=float, default=3.0)
    parser.add_argument("--window", type=float, nargs="+", default=[5.0, 2.0], help="smoothing, in seconds")
    parser.add_argument("--factor", type=float, default=1.0, help="threshold over the mean similarity")
    parser.add_argument("--events", nargs="+", choices=EVENTS, default=["all"], help="a table for each")
    given = parser.parse_args()
    groups = {
        name: [each for each in read_annotations(given.world) if EVENTS[name](each)] for name in given.events
    }
    full = load_model(given.model, dtype=given.dtype)
    encoders = {label: full.with_method(name, **settings) for label, name, settings in METHODS}
    videos = sorted({each.video for annotations in groups.values() for each in annotations})
    features = _encode(given.world, videos, full, encoders, given.fps)
    facts = {"model": full.fingerprint.model, "dtype": given.dtype, "fps": given.fps, "pool": POOL}
    tables = []
    for name, annotations in groups.items():
        shown = {each.video for each in annotations}
        own = {
            label: {video: each for video, each in found.items() if video in shown}
            for label, found in features.items()
        }
        text = full.encode_text([annotation.query for annotation in annotations]).double().numpy()
        rows: list[dict[str, Any]] = []
        for window in given.window:
            print(f"\nwindow {window:g} s, factor {given.factor:g}, {name} events: {len(annotations)}")
            rows += _table(own, annotations, text, window=window, factor=given.factor)
        counts = {"videos": len(shown), "events": len(annotations)}
        tables.append({"events_of": name, **counts, "rows": rows})
    print(json.dumps({**facts, "threads": torch.get_num_threads(), "tables": tables}))


def _encode(
    world: Path,
    videos: Sequence[str],
    full: VideoEncoder,
    encoders: dict[str, VideoEncoder],
    fps: float,
) -> dict[str, dict[str, Features]]:
    """Label -> video -> features; every method sees the same prepared frames."""
    found: dict[str, dict[str, Features]] = {label: {} for label in encoders}
    for name in videos:
        prepared: Prepared = full.prepare(read_video(world / "videos" / name, fps=fps, motion=False))
        for label, encoder in encoders.items():
            found[label][name] = encoder.encode_pixels(prepared.pixels, times_s=prepared.times_s)
    return found


def _table(
    features: dict[str, dict[str, Features]],
    annotations: Sequence[Annotation],
    text: Any,
    *,
    window: float,
    factor: float,
) -> list[dict[str, Any]]:
    times = {name: each.times_s for name, each in features["full"].items()}
    print(
        f"{'':<20}{'MACs':>6} {'cosine':>7} {'P only':>7} | {'caption':>7} {'event':>6} {'video':>6} |"
        f" {'IoU .3':>6} {'.5':>6} {'.7':>6} {'mIoU':>6}"
    )
    rows = []
    for label, signals in (
        ("chance", chance_signals(times, annotations)),
        ("looks known", look_signals(times, annotations)),
        ("event known", perfect_signals(times, annotations)),
    ):
        rows.append(_row(label, judge(signals, annotations, window_s=window, factor=factor), window))
    for label, videos in features.items():
        similarity = {name: each.vectors.double().numpy() @ text.T for name, each in videos.items()}
        judgement = judge(
            Signals(times_s=times, similarity=similarity), annotations, window_s=window, factor=factor
        )
        fidelity = [compare(features["full"][name], each) for name, each in videos.items()]
        macs = sum(each.macs for each in videos.values()) / sum(
            each.macs for each in features["full"].values()
        )
        between = [each.between for each in fidelity if not np.isnan(each.between)]
        cost = {
            "share": macs,
            "cosine": float(np.mean([each.cosine for each in fidelity])),
            "between": float(np.mean(between)) if between else None,
        }
        rows.append(_row(label, judgement, window, **cost))
    return rows


def _row(label: str, judgement: Judgement, window: float, **cost: float | None) -> dict[str, Any]:
    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    shown = f"{label:<20}{number(cost.get('share'), '.3f'):>6} {number(cost.get('cosine'), '.4f'):>7} "
    shown += (
        f"{number(cost.get('between'), '.4f'):>7} | {judgement.caption_r1:>7.3f} {judgement.event_r1:>6.3f} "
    )
    shown += f"{judgement.video_r1:>6.3f} | " + " ".join(f"{value:>6.3f}" for value in judgement.r1)
    print(f"{shown} {judgement.miou:>6.3f}", flush=True)
    return {"label": label, "window_s": window, **cost, **asdict(judgement)}


if __name__ == "__main__":
    main()
