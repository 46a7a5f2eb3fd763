"""vidskim train retrieval."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.captioned import Annotations, CaptionSource, Dataset, Pairs, Videos
from vidskim.cli.console import DONE, PARTIAL, JsonOption, Outcome, is_first_rank, note, run_verb
from vidskim.cli.model_options import Config, read_pairs
from vidskim.cli.train_recognition import read_held_out
from vidskim.cli.training import Device, Seed, loop_settings, step_line, training_outcome
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.train.loop import FitReport
    from vidskim.train.syllabus import Located

NOTHING = CaptionSource()
TRAIN, HELD_OUT = "train", "0.05"
FEW = 50  # videos held out

Out = Annotated[
    Path,
    typer.Option(file_okay=False, help="Folder for the adapter, result.json, checkpoints and curve.png."),
]
TrainSplit = Annotated[str | None, typer.Option(help="Of the data set, never test. Default: train.")]
HeldOut = Annotated[
    str,
    typer.Option(
        help="Share of the videos, whole recordings, to select the best weights by; or a table of videos."
    ),
]
SET_HELP = "plan (b32-12f, b16-12f, b32-64f, b16-64f, or JSON), split (place or clip), merge or faithful: name=value."
Setting = Annotated[list[str] | None, typer.Option("--set", help=SET_HELP)]
Tune = Annotated[
    str, typer.Option(help="lora (beside frozen weights), or full (all weights but the temperature).")
]
Rank = Annotated[int | None, typer.Option(min=1, help="Of LoRA. Default 8; rendered: 16.")]
POSITION_HELP = (
    "Standard deviation of clip positions at first, but for a fully tuned model's, which go on. Default: 0, as "
    "published; rendered: 1."
)
PositionStd = Annotated[float | None, typer.Option(min=0, help=POSITION_HELP)]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all; rendered: 1200.")]
Epochs = Annotated[
    float | None, typer.Option(help="Instead of --steps: passes over the sentences. Default 5.")
]
BATCH_HELP = "Videos in each step, of each process. Default: 128, or all if there are fewer; rendered: 32."
Batch = Annotated[int | None, typer.Option(min=2, help=BATCH_HELP)]
CHUNK_HELP = "Videos in memory at once: less memory, a third more time."
Chunk = Annotated[int | None, typer.Option(min=1, help=CHUNK_HELP)]
RATE_HELP = (
    "At its peak. Default, for LoRA: 0.0006, as published; rendered: 0.003. --tune full has none: give one."
)
LearningRate = Annotated[float | None, typer.Option(help=RATE_HELP)]
Words = Annotated[
    int, typer.Option(min=3, help="Most tokens of a sentence, here and in use; 64 for paragraphs.")
]
Augment = Annotated[bool, typer.Option(help="RandAugment, alike in all frames of a video.")]


def train_retrieval(
    *,
    out: Out,
    model: Annotated[str, typer.Option(help="A CLIP: demo, a Hub id, a folder or a file.")] = "demo",
    dataset: Dataset = None,
    annotations: Annotations = None,
    split: TrainSplit = None,
    pairs: Pairs = None,
    videos: Videos = None,
    held_out: HeldOut = HELD_OUT,
    setting: Setting = None,
    tune: Tune = "lora",
    rank: Rank = None,
    position_std: PositionStd = None,
    steps: Steps = None,
    epochs: Epochs = None,
    batch: Batch = None,
    chunk: Chunk = None,
    learning_rate: LearningRate = None,
    words: Words = 32,
    augment: Augment = True,
    config: Config = None,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that read videos.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train text-video retrieval: LoRA inside a CLIP whose frames see each other (TempMe).

    Without videos it learns from rendered ones that no single frame can tell apart. Kept is what was best on the videos
    held out; OUT/result.json has its scores beside those of the frames alone, without training. With several GPUs:
    torchrun --no-python --nproc-per-node 4 vidskim train retrieval ..., the loss is that of all of them together.

    Examples:

      vidskim train retrieval --pairs captions.csv --videos clips/ --model openai/clip-vit-base-patch32 --out runs/mine

      vidskim train retrieval --dataset msrvtt --annotations ann/ --videos clips/ --epochs 5 --model FOLDER --out runs/m

      vidskim train retrieval --out runs/rendered
    """
    what = {"model": model, "tune": tune, "rank": rank, "position_std": position_std, "epochs": epochs}
    what |= {"batch": batch, "chunk": chunk, "words": words, "augment": augment}
    loop: dict[str, Any] = {"steps": steps, "learning_rate": learning_rate, "workers": workers}
    loop |= {"seed": seed, "device": device}

    def body() -> Outcome:
        if steps is not None and epochs is not None:
            raise SettingsError(f"give --steps or --epochs, not both; received {steps} and {epochs:g}")
        asked = CaptionSource(dataset, annotations, split, pairs, videos)
        read = {"settings": read_pairs("--set", setting), "config": read_pairs("--config", config)}
        more: dict[str, Any] = {name: values for name, values in read.items() if values}
        if asked != NOTHING:
            more |= _find_videos(asked, held_out)
        elif held_out != HELD_OUT:
            raise SettingsError(f"--held-out goes with --pairs or --dataset; received {held_out!r}")
        return _train(out, {**what, **more}, loop)

    run_verb(body, as_json=as_json and is_first_rank())


def _find_videos(asked: CaptionSource, held_out: str) -> dict[str, Any]:
    """Videos to learn from, what is held out, and the names of those that are not there."""
    from vidskim.evaluate.datasets.catalogue import usual_split
    from vidskim.evaluate.datasets.own import read_own

    if (name := asked.dataset) is not None:
        asked = replace(asked, split=asked.split or TRAIN)
        if asked.split in ("test", usual_split(name)):
            raise SettingsError(
                f"no results are reported on what was trained or selected by; received --split {asked.split}"
            )
    _, sentences, folder = asked.read()
    found, paths, missing = sentences.locate(folder)
    given = read_held_out(held_out)
    rest: Located | float
    if isinstance(given, float):
        rest = given
    else:
        others, other_paths, absent = replace(read_own(given), end_s=sentences.end_s).locate(folder)
        rest, missing = (others, other_paths), missing + absent
    if missing and is_first_rank():
        note(f"{len(missing)} videos are not in {folder}, such as {', '.join(missing[:3])}")
    return {"videos": (found, paths), "held_out": rest, "missing": missing}


def _train(out: Path, what: dict[str, Any], loop: dict[str, Any]) -> Outcome:
    """Options that were not given, None, are the recipe's."""
    from vidskim.train.retrieval import train_retrieval as run
    from vidskim.train.syllabus import WARM_UP, Retrieval, complete, find_recipe

    if what["tune"] == "full" and loop["learning_rate"] is None:
        raise SettingsError(
            "--tune full needs --learning-rate: the usual one is LoRA's. CLIP4Clip fine-tunes CLIP at 1e-7; for this "
            "training none has been measured"
        )
    recipe, own = find_recipe(videos="videos" in what)
    if loop["steps"] is not None:
        own.pop("epochs", None)
    given = {name: value for name, value in what.items() if value is not None}
    missing = given.pop("missing", ())
    settings = loop_settings(recipe, **loop)
    if "videos" in what:
        settings = replace(settings, warmup_steps=round(WARM_UP * settings.steps))
    task = Retrieval(**complete(own, given))
    report = run(task, out, settings, on_step=step_line(), on_note=note)
    if not is_first_rank():
        return Outcome({}, [])
    outcome = _outcome(out, report, tune=what["tune"], missing=missing)
    lost = missing or outcome.document["retrieval"]["best"]["unreadable"]
    alone = "WORLD_SIZE" not in os.environ  # torchrun takes any code but 0 for a crash
    return replace(outcome, code=PARTIAL if lost and alone else DONE)


def _outcome(out: Path, report: "FitReport", *, tune: str, missing: tuple[str, ...]) -> Outcome:
    from vidskim.models.adapter import ADAPTER_FILE
    from vidskim.train.selection import MODEL, read_result

    result = read_result(out)
    held_out = result["held_out"]
    rows = (
        ("frames alone, untrained", "frames_alone"),
        ("before training", "before"),
        (f"best, after step {result['best']['step']}", "best"),
    )
    unreadable = result["best"]["unreadable"]
    chance = f"{100 / (held_out['videos'] - unreadable):.1f} by chance"
    lines = [f"held out: {held_out['videos']} videos, {held_out['sentences']} sentences; R@1 {chance}"]
    if missing:
        lines.append(
            f"{len(missing)} videos were not there: {', '.join(missing[:10])}{' ...' * (len(missing) > 10)}"
        )
    if unreadable:
        lines.append(f"{unreadable} of the videos held out could not be read")
    if held_out["videos"] < FEW:
        lines.append(f"scores of fewer than {FEW} videos hold little")
    lines += [
        f"{name}: text to video R@1 {numbers['t2v_r1']:.1f}, R-Sum {numbers['t2v_r_sum']:.1f}; video to text R@1 "
        f"{numbers['v2t_r1']:.1f}, R-Sum {numbers['v2t_r_sum']:.1f}"
        for name, key in rows
        for numbers in [result[key]]
    ]
    if result["best"]["r_sum_both"] <= result["frames_alone"]["r_sum_both"]:
        lines.append("not better than the frames alone: train longer, on more videos, or with another rate")
    beside = {name: result[key] for name, key in rows[:2]}
    kept = out / MODEL if tune == "full" else out / ADAPTER_FILE
    report = replace(report, metrics={})  # told above, in words
    more: dict[str, Any] = {"retrieval": result, "missing": list(missing)}
    return training_outcome({out: report}, kept, lines=tuple(lines), beside=beside, **more)
