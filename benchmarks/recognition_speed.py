"""Video classifiers in full and with STA: time, CPU seconds, multiply-accumulates and peak memory of one clip.

    python benchmarks/recognition_speed.py [--rounds 9] [--threads 2] [--vit B] [--r 48 64] [--swin T] [--r1 256]

Random weights, pixels prepared and in memory: 16 x 224 x 224 through a VideoMAE, 32 x 224 x 224 through a Video Swin.
Contenders of one model and dtype take turns, and each is held against the full classifier of the same round, whose
attention is fused too; medians over the rounds. Peak memory is that of a process of its own, which runs one clip: the
most it held (Linux tells), and how much of that came after the weights were there. Ends with one JSON line.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from vidskim.methods.clip_registry import make_clip_method
from vidskim.models.linear import cpu_has_bfloat16, pack_linears
from vidskim.models.swin import VideoSwin
from vidskim.models.swin_variants import video_swin
from vidskim.models.variants import videomae_vit
from vidskim.models.video_vit import VideoTransformer

MIB = 1 << 20


@dataclass(frozen=True)
class Contender:
    """A model in one dtype behind one method.

    Args:
        family: "videomae" or "swin".
        size: of the model, such as "B".
        dtype: name of the weights' type.
        dropped: r or r1; 0 is the full classifier.
    """

    family: str
    size: str
    dtype: str
    dropped: int

    def __str__(self) -> str:
        """Such as "sta r=48"."""
        return f"sta {self.setting}={self.dropped}" if self.dropped else "full"

    @property
    def setting(self) -> str:
        """What its family calls the number of tokens dropped."""
        return "r" if self.family == "videomae" else "r1"

    @property
    def model(self) -> str:
        """Such as "VideoMAE-B"."""
        return f"{'VideoMAE' if self.family == 'videomae' else 'Video Swin'}-{self.size}"

    def make(self) -> tuple[Callable[[], object], int]:
        """One run over a clip of noise, and its multiply-accumulates."""
        method = make_clip_method("full", {}, family=self.family)
        if self.dropped:
            method = make_clip_method("sta", {self.setting: self.dropped}, family=self.family)
        trunk, pixels = make_trunk(self.family, self.size, self.dtype), make_clip(self.family)
        frames, rows, columns = pixels.shape[2:]

        def run() -> object:
            with torch.inference_mode():
                return method.run(trunk, pixels)

        with torch.inference_mode():
            _, trail = method.run(trunk, pixels)
        return run, method.macs(trunk.config, (frames, rows, columns), trail)


TRUNKS: dict[tuple[str, str, str], nn.Module] = {}


def make_trunk(family: str, size: str, dtype: str) -> nn.Module:
    """A classifier of 400 classes with random weights, ready for inference; the same one for the same arguments."""
    key = (family, size, dtype)
    if key not in TRUNKS:
        torch.manual_seed(0)
        trunk = VideoTransformer(videomae_vit(size)) if family == "videomae" else VideoSwin(video_swin(size))
        for name, parameter in trunk.requires_grad_(False).named_parameters():
            if "norm" not in name:
                nn.init.normal_(parameter, std=0.02)
        TRUNKS[key] = trunk.eval().to(getattr(torch, dtype))
        pack_linears(TRUNKS[key])
    return TRUNKS[key]


def make_clip(family: str) -> Tensor:
    """A still picture of noise with a little noise on every frame, [1, 3, frames, 224, 224]."""
    generator = torch.Generator().manual_seed(1)
    still = torch.randn(1, 3, 1, 224, 224, generator=generator)
    frames = 16 if family == "videomae" else 32
    return still + 0.3 * torch.randn(1, 3, frames, 224, 224, generator=generator)


def time_all(
    runs: Sequence[Callable[[], object]], rounds: int
) -> tuple[list[list[float]], list[list[float]]]:
    """Wall and CPU seconds of every run in every round, [runs][rounds]; every second round goes backwards."""
    walls: list[list[float]] = [[] for _ in runs]
    cpus: list[list[float]] = [[] for _ in runs]
    for number in range(rounds):
        places = range(len(runs))[:: -1 if number % 2 else 1]
        for place in places:
            wall, cpu = time.perf_counter(), time.process_time()
            runs[place]()
            walls[place].append(time.perf_counter() - wall)
            cpus[place].append(time.process_time() - cpu)
    return walls, cpus


def ratio(full: Sequence[float], own: Sequence[float]) -> float:
    """How many times less than full: the median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(full, own, strict=True))


def peak_memory(contender: Contender, threads: int) -> tuple[float, float]:
    """MiB that a process of its own held at the most, and how much of it came with the first clip."""
    told = [contender.family, contender.size, contender.dtype, str(contender.dropped), str(threads)]
    out = subprocess.run(
        [sys.executable, __file__, "--peak", *told], capture_output=True, text=True, check=True
    )
    before, after = json.loads(out.stdout.splitlines()[-1])
    return after, after - before


def print_peak(family: str, size: str, dtype: str, dropped: str, threads: str) -> None:
    """What `peak_memory` asks a process for: MiB held with the weights loaded, and at the most during a clip."""
    torch.set_num_threads(int(threads))
    contender = Contender(family, size, dtype, int(dropped))
    make_trunk(family, size, dtype)
    before = held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    contender.make()
    print(json.dumps([before, held("VmHWM")]))


def held(field: str) -> float:
    """MiB of this process by its status: VmRSS now, VmHWM at the most. (ru_maxrss has the parent's peak in it.)"""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / MIB


def compare(contenders: Sequence[Contender], options: argparse.Namespace) -> list[dict[str, object]]:
    """All figures of one model in one dtype; the first contender is the full classifier."""
    made = [contender.make() for contender in contenders]
    walls, cpus = time_all([run for run, _ in made], options.rounds)
    rows: list[dict[str, object]] = []
    for place, contender in enumerate(contenders):
        peak, grown = peak_memory(contender, options.threads)
        rows.append(
            {
                "model": contender.model,
                "dtype": contender.dtype,
                "method": str(contender),
                "gmacs": round(made[place][1] / 1e9, 2),
                "fewer_macs": round(made[0][1] / made[place][1], 2),
                "wall_s": round(statistics.median(walls[place]), 3),
                "fastest_s": round(min(walls[place]), 3),
                "faster": round(ratio(walls[0], walls[place]), 2),
                "cpu_s": round(statistics.median(cpus[place]), 3),
                "less_cpu": round(ratio(cpus[0], cpus[place]), 2),
                "peak_mib": round(peak),
                "clip_mib": round(grown),
            }
        )
    return rows


HEADINGS = {
    "method": "method",
    "gmacs": "GMAC",
    "fewer_macs": "x fewer",
    "wall_s": "wall s",
    "fastest_s": "fastest",
    "faster": "x faster",
    "cpu_s": "CPU s",
    "less_cpu": "x less",
    "peak_mib": "peak MiB",
    "clip_mib": "of it, a clip",
}


def report(console: Console, rows: Sequence[dict[str, object]]) -> None:
    """The table of one model in one dtype."""
    table = Table(*HEADINGS.values(), title=f"{rows[0]['model']}, {rows[0]['dtype']}")
    for row in rows:
        table.add_row(*(str(row[name]) for name in HEADINGS))
    console.print(table)


def main() -> None:
    if sys.argv[1:2] == ["--peak"]:
        print_peak(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vit", nargs="*", default=["B"], help="sizes of VideoMAE: S, B, L, H")
    parser.add_argument("--r", nargs="+", type=int, default=[48, 64])
    parser.add_argument("--swin", nargs="*", default=["T"], help="sizes of Video Swin: T, S, B")
    parser.add_argument("--r1", nargs="+", type=int, default=[256])
    types = ["float32", "bfloat16"] if cpu_has_bfloat16() else ["float32"]
    parser.add_argument("--dtypes", nargs="+", default=types)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console, results = Console(width=140), []
    models = [("videomae", size, options.r) for size in options.vit]
    models += [("swin", size, options.r1) for size in options.swin]
    for family, size, drops in models:
        for dtype in options.dtypes:
            rows = compare([Contender(family, size, dtype, drop) for drop in (0, *drops)], options)
            report(console, rows)
            results += rows
            TRUNKS.clear()
    facts = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "threads": options.threads,
        "rounds": options.rounds,
    }
    print(json.dumps({**facts, "results": results}))


if __name__ == "__main__":
    main()
