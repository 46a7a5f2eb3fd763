"""Does attention across frames find what no single frame shows, and what does merging cost?

Trains the bundled model on rendered videos, once for each variant and seed: the same pairs, steps and optimiser, LoRA
in both towers, the best of each training by videos held out from it. Then all of them are asked about other videos, of
which 13 show one actor, one in each action. A training that was stopped goes on when the same command is run again.

    python benchmarks/retrieval.py --out runs/retrieval
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import vidskim
from vidskim.evaluate.ranking import score_retrieval, similarities
from vidskim.models.adapter import ADAPTER_FILE
from vidskim.pipeline.retrieval import RetrievalEncoder
from vidskim.synth.vocabulary import ACTIONS, Split
from vidskim.train.pairs import HeldOut, held_out_rendered
from vidskim.train.retrieval import train_retrieval
from vidskim.train.syllabus import Retrieval, find_recipe
from vidskim.video.prepare import normalise

LOOKS = 40
FRAMES = 8
JOINS = {"frames": FRAMES, "joins": [[2, 2], [3, 2], [4, 2]]}
MERGING = {"r": 4, "across": 0.3, "within": 0.1}
ALONE: dict[str, Any] = {"frames": FRAMES, "joins": []}
VARIANTS: dict[str, dict[str, Any]] = {
    "LoRA only": {"plan": ALONE},
    "ImgMe only": {"plan": {**ALONE, "r": MERGING["r"]}},
    "join, no merging": {"plan": JOINS},
    "TempMe, faithful": {"plan": {**JOINS, **MERGING}, "faithful": True},
    "TempMe, by clip": {"plan": {**JOINS, **MERGING}, "split": "clip"},
}
UNTRAINED = "frame-mean CLIP"
Clip = NDArray[np.uint8]  # t y x 3


def main() -> None:
    """Train what is not trained yet, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the trainings")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=VARIANTS, help="train this variant and stop")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for seed in range(given.first_seed, given.seeds):
        for name in [given.only] if given.only else VARIANTS:
            out = folder(given.out, name, seed)
            report = train_retrieval(
                what(name),
                out,
                replace(
                    find_recipe(videos=False)[0],
                    steps=given.steps,
                    warmup_steps=given.steps // 10,
                    checkpoint_every=50,
                    precision="float32",
                    seed=seed,
                ),
            )
            print(f"{name}, seed {seed}: {report.seconds:.0f} s, {dict(report.metrics)}", flush=True)
    if not given.only:
        report_all(given.out, seeds=given.seeds, steps=given.steps)


def folder(out: Path, name: str, seed: int) -> Path:
    """Of one training."""
    return out / f"{name.replace(', ', '-').replace(' ', '-').lower()}-{seed}"


def what(name: str) -> Retrieval:
    """One variant's training."""
    own = {**find_recipe(videos=False)[1], "settings": VARIANTS[name]}
    return Retrieval(model="demo", **own)


def report_all(out: Path, *, seeds: int, steps: int) -> None:
    """Ask every model, print the table, write results.json."""
    untrained = vidskim.load_model("demo", method="tempme", plan=ALONE, dtype="float32")
    side = untrained.preparation.size
    exam = held_out_rendered(frames=FRAMES, side=side, split=Split.TEST, looks=LOOKS, each=len(ACTIONS))
    models = {UNTRAINED: [untrained]}
    for name, settings in VARIANTS.items():
        models[name] = [
            vidskim.load_model(
                "demo",
                method="tempme",
                adapter=folder(out, name, seed) / ADAPTER_FILE,
                dtype="float32",
                **settings,
            )
            for seed in range(seeds)
        ]
    clips = [exam.read(number) for number in range(exam.count)]
    scores = {name: [ask(model, exam, clips) for model in several] for name, several in models.items()}
    seconds = time_all({name: several[0] for name, several in models.items()}, clips[:8])
    rows = {
        name: {
            "scores": scores[name],
            "gmacs": several[0].plan().macs / 1e9,
            "ms_a_video": 1000 * seconds[name],
            "training_s": [training_seconds(out, name, seed) for seed in range(seeds)]
            if name in VARIANTS
            else [],
        }
        for name, several in models.items()
    }
    settings_line = f"{steps} steps of 32 pairs, {seeds} seeds, {exam.count} test videos"
    print(settings_line)
    print_table(rows)
    document = {"settings": settings_line, "torch": torch.__version__, "rows": rows}
    (out / "results.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def ask(model: RetrievalEncoder, exam: HeldOut, clips: Sequence[Clip]) -> dict[str, float]:
    """Scores in per cent; "action" is the share of videos whose own caption comes first among their actor's."""
    videos = torch.cat(
        [model.encode_video(prepare(model, clips[n : n + 8])) for n in range(0, len(clips), 8)]
    )
    similarity = similarities(model.encode_text(list(exam.sentences)), videos)
    to_video, to_text = score_retrieval(similarity, list(exam.owners))
    each = len(ACTIONS)
    own = similarity.reshape(LOOKS, each, LOOKS, each)[
        np.arange(LOOKS), :, np.arange(LOOKS)
    ]  # look text video
    action = (own.argmax(axis=1) == np.arange(each)).mean()
    return {
        "r1": to_video.recalls[1],
        "r_sum": to_video.r_sum,
        "video_r_sum": to_text.r_sum,
        "both": to_video.r_sum + to_text.r_sum,
        "action": 100 * float(action),
    }


def prepare(model: RetrievalEncoder, clips: Sequence[Clip]) -> Tensor:
    """As the model takes them: [b, t, 3, y, x]."""
    return torch.stack([normalise(clip, model.preparation) for clip in clips])


def time_all(
    models: Mapping[str, RetrievalEncoder], clips: Sequence[Clip], rounds: int = 7
) -> dict[str, float]:
    """Median seconds a video, the models in turns, all clips at once."""
    pixels = prepare(models[UNTRAINED], clips)
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model.encode_video(pixels)
            taken[name].append((time.perf_counter() - start) / len(pixels))
    return {name: median(times[1:]) for name, times in taken.items()}


def training_seconds(out: Path, name: str, seed: int) -> float:
    """Of one training, over all its runs."""
    lines = (folder(out, name, seed) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return float(json.loads(lines[-1])["seconds"])


def print_table(rows: Mapping[str, dict[str, Any]]) -> None:
    """Mean and, behind it, standard deviation over the seeds."""
    names = ("R@1", "R-Sum t>v", "R-Sum v>t", "both", "action")
    print(" " * 18, *(f"{name:>12s}" for name in names), " GMAC  ms/video  train s")
    for name, row in rows.items():
        cells = [spread([score[key] for score in row["scores"]]) for key in row["scores"][0]]
        train = f"{mean(row['training_s']):.0f}" if row["training_s"] else "-"
        costs = f"{row['gmacs']:5.2f}  {row['ms_a_video']:8.1f}  {train:>7s}"
        print(f"{name:18s}", *(f"{cell:>12s}" for cell in cells), costs)


def spread(values: list[float]) -> str:
    """Such as "61.2 ± 0.8"."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    main()
