"""Is any method slower than the full encoder when few frames come at once? From one group of 3 frames upwards.

    python benchmarks/small_batches.py [--sizes B/16 B/32] [--frames 3 6 12 24 48] [--rounds 9] [--threads 2]

Random weights, pixels in memory, one video of so many frames in each call; methods take turns in one process. Prints,
for each method, how many times as fast as `full` it is on the same frames: the median of the ratios round by round. The
published ResidualViT code is slower than a plain ViT below batches of 8. Ends with one JSON line.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from speed import SETTINGS, time_all, write_clip

import vidskim
from vidskim.methods.residual import ResidualTokenizer
from vidskim.models.linear import cpu_has_bfloat16


def methods(folder: Path, dtype: str) -> dict[str, vidskim.VideoEncoder]:
    """Encoders on one tower."""
    full = vidskim.load_model(folder, device="cpu", dtype=dtype)
    config = full.trunk.config
    tokenizer = ResidualTokenizer(dim=config.dim, width=config.width).requires_grad_(False)
    return {
        "full": full,
        "residual": full.with_method("residual", tokenizer=tokenizer, **SETTINGS),
        "reuse previous-I": full.with_method("reuse", anchors="previous", **SETTINGS),
        "reuse both-I": full.with_method("reuse", **SETTINGS),
        "reuse budget": full.with_method("reuse"),
    }


def ratios(folder: Path, dtype: str, frames: list[int], rounds: int) -> dict[str, dict[int, float]]:
    """Method -> frames in a call -> times as fast as full."""
    found: dict[str, dict[int, float]] = {}
    encoders = methods(folder, dtype)
    side = encoders["full"].trunk.config.image
    generator = torch.Generator().manual_seed(1)
    for count in frames:
        pixels = torch.randn(1, 3, side, side, generator=generator).repeat(count, 1, 1, 1)
        # a sixth of each frame changes
        pixels[:, :, :, : side // 6] += torch.randn(count, 3, side, side // 6, generator=generator)
        runs = {
            name: lambda encoder=encoder, pixels=pixels: encoder.encode_pixels(pixels)
            for name, encoder in encoders.items()
        }
        times = time_all(runs, rounds, count)
        for name, values in times.items():
            faster = [full / own for full, own in zip(times["full"], values, strict=True)]
            found.setdefault(name, {})[count] = round(statistics.median(faster), 2)
        found.setdefault("full, ms a frame", {})[count] = round(statistics.median(times["full"]), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["B/16", "B/32"])
    parser.add_argument("--frames", nargs="+", type=int, default=[3, 6, 12, 24, 48])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dtype = "bfloat16" if cpu_has_bfloat16() else "float32"
    console, document = Console(width=120), {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_clip(Path(folder), size)
            found = ratios(Path(folder), dtype, options.frames, options.rounds)
        table = Table(
            "times as fast as full",
            *(f"{count} frames" for count in options.frames),
            title=f"{size}, {dtype}",
        )
        for name, row in found.items():
            table.add_row(name, *(f"{row[count]:.2f}" for count in options.frames))
        console.print(table)
        document[size] = found
    print(
        json.dumps({"threads": options.threads, "dtype": dtype, "rounds": options.rounds, "sizes": document})
    )


if __name__ == "__main__":
    main()
