"""TempMe against frames encoded alone: time of a video, and time and memory of a training step.

    python benchmarks/retrieval_speed.py [--rounds 9] [--threads 2] [--sizes B/32 B/16] [--dtypes float32 bfloat16]
        [--videos 1 4] [--training-rounds 5] [--batch 4] [--out docs/results/retrieval-speed.txt]

Random weights, 12 frames a video, pixels prepared and in memory, so many videos at once as --videos says;
`transformers` and our encoder of frames alone ("full") take their frames as one batch. Contenders of one model and
dtype take turns, every second round backwards, and each is held against "full" in the same round; medians over the
rounds. "GMAC" is as run: our encoders compute the class token alone in the last block. Of transformers it is the
published count, every token through every block.

A training step is forward and backward of the vision tower in float32 with LoRA on its fused projections alone trained
("dense": frames alone, their unit vectors averaged), on --batch videos, against random texts. Each contender runs in a
process of its own: the memory of a step is the most it held above what it held with the weights loaded (Linux tells);
its time is the median over the steps after the first. Ends with one JSON line.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
import transformers
from rich.console import Console
from rich.table import Table
from speed import write_clip
from torch import Tensor

import vidskim
from vidskim.methods.tempme import TempMe, make_tempme, mean_of_frames
from vidskim.models.cost import published_vit_macs, vit_macs
from vidskim.models.linear import cpu_has_bfloat16
from vidskim.models.lora import add_lora
from vidskim.models.variants import clip_vit
from vidskim.models.vit import VisionTransformer, unit
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.retrieval import join_frames
from vidskim.tokens.clip_plan import ClipPlan
from vidskim.train.losses import contrastive_loss

MIB = 1 << 20
SCALE = 100.0
ALONE = "full"
SETTINGS: dict[str, dict[str, object]] = {
    "tempme faithful": {"faithful": True},
    "tempme split=clip": {"split": "clip"},
    "tempme merge=False": {"merge": False},
}


def make_trunk(size: str) -> VisionTransformer:
    """A CLIP vision tower with random weights."""
    torch.manual_seed(0)
    trunk = VisionTransformer(clip_vit(size))
    for name, parameter in trunk.requires_grad_(False).named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return trunk.eval()


def make_videos(size: str, count: int) -> Tensor:
    """Still pictures of noise with a little noise on every frame, [b, 12, 3, y, x]."""
    generator, side = torch.Generator().manual_seed(1), clip_vit(size).image
    still = torch.randn(count, 1, 3, side, side, generator=generator)
    return still + 0.3 * torch.randn(count, 12, 3, side, side, generator=generator)


def contenders(
    folder: Path, size: str, dtype: str, videos: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """Name -> one run over videos of 12 frames, and one video's multiply-accumulates; weights are in a folder."""
    pixels = make_videos(size, videos)
    theirs = transformers.CLIPVisionModelWithProjection.from_pretrained(
        folder, dtype=getattr(torch, dtype)
    ).eval()
    full: VideoEncoder = vidskim.load_model(folder, device="cpu", dtype=dtype)
    frames, config = pixels.flatten(0, 1), full.trunk.config
    typed = frames.to(full.dtype)

    def run_theirs() -> object:
        with torch.inference_mode():
            return theirs(pixel_values=typed).image_embeds

    found: dict[str, tuple[Callable[[], object], int]] = {
        "transformers": (run_theirs, pixels.shape[1] * published_vit_macs(config, attention=True)),
        ALONE: (lambda: full.encode_pixels(frames), pixels.shape[1] * vit_macs(config)),
    }
    for name, settings in SETTINGS.items():
        joined = join_frames(full, settings)
        found[name] = (partial(joined.encode_video, pixels), joined.plan().macs)
    return found


def time_all(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every round after one to warm up; every second round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in seconds.items()}


def compare(size: str, dtype: str, rounds: int, videos: int) -> list[dict[str, object]]:
    """All figures of one model in one dtype, with so many videos at once."""
    with tempfile.TemporaryDirectory() as folder:
        write_clip(Path(folder) / "clip", size)
        made = contenders(Path(folder) / "clip", size, dtype, videos)
    seconds = time_all({name: run for name, (run, _) in made.items()}, rounds)
    rows: list[dict[str, object]] = []
    for name, (_, macs) in made.items():
        own = seconds[name]
        ratios = {
            against: statistics.median(a / b for a, b in zip(seconds[against], own, strict=True))
            for against in (ALONE, "transformers")
        }
        rows.append(
            {
                "model": f"CLIP {size}",
                "dtype": dtype,
                "videos": videos,
                "encoder": name,
                "gmacs": round(macs / 1e9, 2),
                "fewer_macs": round(made[ALONE][1] / macs, 2),
                "ms": round(1000 * statistics.median(own) / videos, 1),
                "fastest_ms": round(1000 * min(own) / videos, 1),
                "x_full": round(ratios[ALONE], 2),
                "x_transformers": round(ratios["transformers"], 2),
            }
        )
    return rows


def train_apart(size: str, name: str, options: argparse.Namespace) -> dict[str, object]:
    """A contender's training step in a process of its own."""
    told = [size, name, str(options.batch), str(options.training_rounds), str(options.threads)]
    command = [sys.executable, __file__, "--step", *told]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, object] = json.loads(out.stdout.splitlines()[-1])
    return row


def print_step(size: str, name: str, batch: str, rounds: str, threads: str) -> None:
    """What `train_apart` asks a process for: seconds of a step, and MiB at the most above the weights."""
    torch.set_num_threads(int(threads))
    trunk, videos = make_trunk(size), make_videos(size, int(batch))
    method = TempMe(ClipPlan(videos.shape[1], ()))
    if name != ALONE:
        method = make_tempme(SETTINGS[name], config=trunk.config)
    add_lora(trunk, generator=torch.Generator().manual_seed(2))
    texts = unit(torch.randn(len(videos), trunk.config.dim, generator=torch.Generator().manual_seed(3)))
    trained = [parameter for parameter in trunk.parameters() if parameter.requires_grad]
    before = held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    seconds = []
    for _ in range(int(rounds) + 1):
        start = time.perf_counter()
        vectors = unit(mean_of_frames(method.run(trunk, videos)[0]))
        contrastive_loss(vectors, texts, torch.tensor(SCALE)).backward()
        for parameter in trained:
            parameter.grad = None
        seconds.append(time.perf_counter() - start)
    row = {
        "model": f"CLIP {size}",
        "trained": "dense" if name == ALONE else name,
        "parameters": sum(parameter.numel() for parameter in trained),
        "step_s": round(statistics.median(seconds[1:]), 2),
        "step_mib": round(held("VmHWM") - before),
        "peak_mib": round(held("VmHWM")),
    }
    print(json.dumps(row))


def held(field: str) -> float:
    """MiB of this process by its status: VmRSS now, VmHWM at the most. (ru_maxrss has the parent's peak in it.)"""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / MIB


ENCODING = {
    "encoder": "encoder",
    "gmacs": "GMAC",
    "fewer_macs": "x fewer",
    "ms": "ms/video",
    "fastest_ms": "fastest",
    "x_full": "x full",
    "x_transformers": "x transformers",
}
TRAINING = {
    "trained": "LoRA on",
    "step_s": "s/step",
    "time_share": "time",
    "step_mib": "MiB of a step",
    "memory_share": "memory",
    "peak_mib": "peak MiB",
}


def report(
    console: Console, title: str, headings: Mapping[str, str], rows: Sequence[Mapping[str, object]]
) -> None:
    """A table."""
    table = Table(*headings.values(), title=title)
    for row in rows:
        table.add_row(*(str(row[name]) for name in headings))
    console.print(table)


def training(size: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """Training steps of one model; shares are of the dense one."""
    names = (ALONE, "tempme faithful", "tempme merge=False")
    rows = [train_apart(size, name, options) for name in names]
    for row in rows:
        for share, figure in (("time_share", "step_s"), ("memory_share", "step_mib")):
            row[share] = round(float(str(row[figure])) / float(str(rows[0][figure])), 2)
    return rows


def main() -> None:
    if sys.argv[1:2] == ["--step"]:
        print_step(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", nargs="*", default=["B/32", "B/16"])
    types = ["float32", "bfloat16"] if cpu_has_bfloat16() else ["float32"]
    parser.add_argument("--dtypes", nargs="+", default=types)
    parser.add_argument("--videos", nargs="+", type=int, default=[1, 4], help="videos encoded at once")
    parser.add_argument("--training", nargs="*", default=["B/32"], help="sizes to take training steps of")
    parser.add_argument("--training-rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4, help="videos of a training step")
    parser.add_argument("--out", type=Path, help="file that gets what is printed as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    console, results, steps = Console(width=120, record=True), [], []
    for size in options.sizes:
        for dtype in options.dtypes:
            for videos in options.videos:
                rows = compare(size, dtype, options.rounds, videos)
                report(console, f"CLIP {size}, {videos} x 12 frames, {dtype}", ENCODING, rows)
                results += rows
    for size in options.training:
        rows = training(size, options)
        report(console, f"training CLIP {size}, {options.batch} videos of 12 frames, float32", TRAINING, rows)
        steps += rows
    facts = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": options.threads,
        "rounds": options.rounds,
    }
    line = json.dumps({**facts, "results": results, "training": steps})
    print(line)
    if options.out is not None:
        options.out.write_text(f"{console.export_text()}{line}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
