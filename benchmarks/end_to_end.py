"""From an H.264 file to features: seconds of compute per hour of video, stages apart.

    python benchmarks/end_to_end.py [--video FILE] [--size B/32] [--seconds 60] [--fps 3] [--rounds 3]

Without --video a 720p, 30 frames/s clip with moving objects is rendered. Contenders take turns: `vidskim extract` with
full, reuse and residual (random tokenizer), as shipped; and a straightforward script that decodes every frame with
PyAV, resizes the sampled ones with Pillow as CLIP does and runs transformers' tower in float32 and, where the CPU has
it, bfloat16. Stages overlap in `extract`, so they add up to more than the wall time. Ends with one JSON line.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
import transformers
from PIL import Image
from rich.console import Console
from rich.table import Table
from speed import write_clip

import vidskim
from vidskim.methods.residual import ResidualTokenizer
from vidskim.models.linear import cpu_has_bfloat16
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.extract import extract
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.video.write import write_video

STAGES = ("decode", "prepare", "encode", "write")
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


def straightforward(video: Path, tower: torch.nn.Module, fps: float, out: Path) -> dict[str, float]:
    """What most people write: decode all, keep every k-th frame, resize, batches of 16, save."""
    stages = dict.fromkeys(STAGES, 0.0)
    start = clock = time.perf_counter()
    frames = []
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        step = round(float(stream.average_rate) / fps)
        for number, frame in enumerate(container.decode(stream)):
            if number % step == 0:
                frames.append(frame.to_image())
    stages["decode"] = time.perf_counter() - clock
    clock = time.perf_counter()
    pixels = np.stack([prepare(frame) for frame in frames])
    stages["prepare"] = time.perf_counter() - clock
    clock = time.perf_counter()
    dtype = next(tower.parameters()).dtype
    with torch.inference_mode():
        parts = [
            tower(pixel_values=part.to(dtype)).image_embeds.float()
            for part in torch.from_numpy(pixels).split(16)
        ]
    stages["encode"] = time.perf_counter() - clock
    clock = time.perf_counter()
    np.save(out / "features.npy", torch.nn.functional.normalize(torch.cat(parts), dim=-1).numpy())
    stages["write"] = time.perf_counter() - clock
    return {**stages, "wall": time.perf_counter() - start}


def prepare(frame: Image.Image) -> np.ndarray:
    """CLIP's resize, crop and normalisation of one frame, [3, 224, 224]."""
    scale = 224 / min(frame.size)
    frame = frame.resize((int(frame.width * scale), int(frame.height * scale)), Image.Resampling.BICUBIC)
    left, top = round((frame.width - 224) / 2), round((frame.height - 224) / 2)
    pixels = np.asarray(frame.crop((left, top, left + 224, top + 224)), dtype=np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)


def ours(video: Path, encoder: VideoEncoder, fps: float) -> dict[str, float]:
    """One extraction into a fresh folder."""
    with tempfile.TemporaryDirectory() as out:
        times = extract([video], Path(out) / "features", encoder, fps=fps).times
    return {**{stage: times.seconds(stage) for stage in STAGES}, "wall": times.wall_s}


def contenders(folder: Path, video: Path, fps: float) -> dict[str, Callable[[], dict[str, float]]]:
    """Name -> one run."""
    runs: dict[str, Callable[[], dict[str, float]]] = {}
    for dtype in ("float32", "bfloat16") if cpu_has_bfloat16() else ("float32",):
        tower = transformers.CLIPVisionModelWithProjection.from_pretrained(
            folder, dtype=getattr(torch, dtype)
        ).eval()
        runs[f"PyAV + transformers {dtype}"] = lambda tower=tower: straightforward(video, tower, fps, folder)
    full = vidskim.load_model(folder, device="cpu")
    config = full.trunk.config
    tokenizer = ResidualTokenizer(dim=config.dim, width=config.width).requires_grad_(False)
    runs["vidskim full"] = lambda: ours(video, full, fps)
    reuse = full.with_method("reuse", interleave=2, keep=0.15)
    runs["vidskim reuse N=2 keep 0.15"] = lambda: ours(video, reuse, fps)
    adaptive = full.with_method("reuse", interleave=3, threshold=0.06)
    runs["vidskim reuse N=3 threshold 0.06"] = lambda: ours(video, adaptive, fps)
    residual = full.with_method("residual", interleave=2, keep=0.15, tokenizer=tokenizer)
    runs["vidskim residual N=2 keep 0.15"] = lambda: ours(video, residual, fps)
    return runs


def render(path: Path, seconds: float) -> None:
    """720p at 30 frames/s, synthetic videos one after the other."""
    scripts = (draw_script("test", seed=1, number=number) for number in itertools.count())
    frames = (frame for script in scripts for frame in render_video(script, fps=30.0, height=720, width=1280))
    write_video(path, itertools.islice(frames, round(seconds * 30)), 30.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path)
    parser.add_argument("--size", default="B/32")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--fps", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder, video = Path(scratch) / "clip", options.video or Path(scratch) / "scene.mp4"
        write_clip(folder, options.size)
        if options.video is None:
            render(video, options.seconds)
        hours = (vidskim.probe(video).duration_s or options.seconds) / 3600
        runs = contenders(folder, video, options.fps)
        times: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, run in runs.items():
                times[name].append(run())
    threads = torch.get_num_threads()
    title = f"CLIP {options.size}, {options.fps:g} frames/s, {threads} threads: seconds per hour of video"
    table = Table("", *STAGES, "wall", title=title)
    results = {}
    for name, rounds in times.items():
        medians = {stage: statistics.median(r[stage] for r in rounds) / hours for stage in (*STAGES, "wall")}
        results[name] = {stage: round(seconds, 1) for stage, seconds in medians.items()}
        table.add_row(name, *(f"{seconds:.0f}" for seconds in medians.values()))
    Console(width=110).print(table)
    print(json.dumps({"size": options.size, "fps": options.fps, "seconds_per_hour": results}))


if __name__ == "__main__":
    main()
