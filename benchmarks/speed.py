"""Encoder speed, side by side in one interleaved run: ours against transformers, and each method against our full.

    python benchmarks/speed.py --sizes B/16 B/32 [--frames 48] [--rounds 7] [--threads 2]

Random weights of OpenAI CLIP's vision tower, pixels already prepared and in memory, one video. `reuse` chooses patches
by pixel difference, inside the time; `residual` by motion maps handed in, as its authors do, with a random tokenizer
instead of a distilled one (the cost is the same). "reuse budget" is the default, 45 % of the full MACs.

Prints a table and ends with one JSON line.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from rich.console import Console
from rich.table import Table

import vidskim
from vidskim.methods.residual import ResidualTokenizer
from vidskim.models.export import save_checkpoint
from vidskim.models.linear import cpu_has_bfloat16
from vidskim.models.text import TextTransformer
from vidskim.models.variants import TextConfig, clip_vit
from vidskim.models.vit import VisionTransformer

SETTINGS = {"interleave": 2, "keep": 0.15}


def write_clip(folder: Path, size: str) -> None:
    """A CLIP folder with random weights; the text tower is a stub of one small layer, it is not timed."""
    torch.manual_seed(0)
    config = clip_vit(size)
    vision = VisionTransformer(config)
    text = TextConfig(
        width=64,
        layers=1,
        heads=1,
        hidden=64,
        context=8,
        vocabulary=32,
        embed=config.embed or 0,
        activation="gelu",
        eps=1e-5,
    )
    for parameter in vision.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    save_checkpoint(folder, vision, TextTransformer(text))


def contenders(folder: Path, frames: int, batch: int) -> dict[str, Callable[[], object]]:
    """Name -> one run over all frames."""
    side = clip_vit("B/32").image
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(1, 3, side, side, generator=generator) + 0.3 * torch.randn(
        frames, 3, side, side, generator=generator
    )
    runs: dict[str, Callable[[], object]] = {}
    types = ("float32", "bfloat16") if cpu_has_bfloat16() else ("float32",)
    for dtype in types:
        tower = transformers.CLIPVisionModelWithProjection.from_pretrained(
            folder, dtype=getattr(torch, dtype)
        ).eval()

        def theirs(tower: torch.nn.Module = tower) -> object:
            kind = next(tower.parameters()).dtype
            with torch.inference_mode():
                return [tower(pixel_values=part.to(kind)).image_embeds for part in pixels.split(batch)]

        runs[f"transformers {dtype}"] = theirs
        full = vidskim.load_model(folder, device="cpu", dtype=dtype)
        config = full.trunk.config
        tokenizer = ResidualTokenizer(dim=config.dim, width=config.width).requires_grad_(False)
        variants = {
            "full": full,
            "residual": full.with_method("residual", tokenizer=tokenizer, **SETTINGS),
            "reuse both-I": full.with_method("reuse", **SETTINGS),
            "reuse budget": full.with_method("reuse"),
            "reuse previous-I": full.with_method("reuse", anchors="previous", **SETTINGS),
        }
        for name, encoder in variants.items():
            moved = (
                torch.rand(frames, config.grid, config.grid, generator=generator)
                if name == "residual"
                else None
            )
            runs[f"{name} {dtype}"] = lambda encoder=encoder, moved=moved: encoder.encode_pixels(
                pixels, moved
            )
    return runs


def time_all(runs: dict[str, Callable[[], object]], rounds: int, frames: int) -> dict[str, list[float]]:
    """Milliseconds per frame of every round, the contenders taking turns."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1000 / frames)
    return times


def report(console: Console, size: str, times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """The table of one size: medians, and medians of the ratios round by round."""
    rows = {}
    table = Table(
        "encoder",
        "ms/frame",
        "range",
        "x own full",
        "x transformers",
        "x transformers float32",
        title=f"CLIP {size}",
    )
    for name, values in times.items():
        dtype = name.split()[-1]
        ratios = [
            statistics.median(other / own for other, own in zip(times[reference], values, strict=True))
            for reference in (f"full {dtype}", f"transformers {dtype}", "transformers float32")
        ]
        rows[name] = {
            "ms_per_frame": round(statistics.median(values), 2),
            "fastest_ms": round(min(values), 2),
            "vs_full": round(ratios[0], 2),
            "vs_transformers": round(ratios[1], 2),
            "vs_transformers_float32": round(ratios[2], 2),
        }
        spread = f"{min(values):.1f}..{max(values):.1f}"
        table.add_row(name, f"{statistics.median(values):.1f}", spread, *(f"{ratio:.2f}" for ratio in ratios))
    console.print(table)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["B/16", "B/32"])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--batch", type=int, default=16, help="frames a call for transformers; ours batches by itself"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    console = Console(width=140)
    facts = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": options.threads,
        "frames": options.frames,
        "rounds": options.rounds,
        "transformers_batch": options.batch,
        "settings": SETTINGS,
    }
    results = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_clip(Path(folder) / "clip", size)
            times = time_all(
                contenders(Path(folder) / "clip", options.frames, options.batch),
                options.rounds,
                options.frames,
            )
        results[size] = report(console, size, times)
    print(json.dumps({**facts, "results": results}))


if __name__ == "__main__":
    main()
