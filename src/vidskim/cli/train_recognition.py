"""vidskim train recognition."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, is_first_rank, run_verb
from vidskim.cli.model_options import Config, read_pairs
from vidskim.cli.training import Device, Seed, loop_settings, step_line, training_outcome
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.train.loop import FitReport

Videos = Annotated[
    Path | None,
    typer.Option(
        help='Folder of folders named after classes, or a list of "path label". None: rendered actions.'
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="A VideoMAE to fine-tune, pre-trained or a classifier: a Hub id, a folder or a file. None: from nothing."
    ),
]
Variant = Annotated[
    str | None, typer.Option(help="Size of a model from nothing: tiny, S, B, L or H. Default tiny.")
]
HeldOut = Annotated[
    str, typer.Option(help="Share of the videos of each class to validate on, or a list of such videos.")
]
Classes = Annotated[
    Path | None, typer.Option(help="Names of the classes, one a line, in the order of their numbers.")
]
KEEP_HELP = "Share of a clip's tokens that is looked at first. Default: 1; rendered: 0.125."
THINNED_HELP = "Share of the steps in which only --keep of the tokens is looked at."


def train_recognition(
    *,
    out: Annotated[Path, typer.Option(help="Folder for model/, result.json, checkpoints and curve.png.")],
    videos: Videos = None,
    model: Model = None,
    variant: Variant = None,
    classes: Classes = None,
    held_out: HeldOut = "0.1",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Instead of --steps: passes over the videos.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Clips in each step.")] = 32,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak.")] = None,
    layer_decay: Annotated[
        float | None, typer.Option(help="Each block's rate as a share of the next one's.")
    ] = None,
    keep: Annotated[float | None, typer.Option(help=KEEP_HELP)] = None,
    thinned: Annotated[float, typer.Option(help=THINNED_HELP)] = 0.9,
    sampling: Annotated[
        str, typer.Option(help="segments: frames of the whole video; dense: each fourth.")
    ] = "segments",
    mirror: Annotated[
        bool, typer.Option(help="Train on mirrored clips too: not if classes have a left.")
    ] = False,
    config: Config = None,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that make batches.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a video classifier on labelled videos: fine-tune a VideoMAE, or begin from nothing.

    Without --videos it learns the thirteen actions of the synthetic world, rendered as it goes. OUT/result.json
    tells how much of what it did not learn from it gets right, also with a single frame and with frames in another
    order: where those do as well, motion does not matter. OUT/model loads with load_model and `vidskim classify`.

    Examples:

      vidskim train recognition --videos clips/ --model MCG-NJU/videomae-base --epochs 20 --out runs/mine

      vidskim train recognition --videos train.csv --held-out val.csv --variant S --steps 5000 --out runs/small

      vidskim train recognition --out runs/actions
    """
    given = {"videos": videos, "model": model, "variant": variant, "classes": classes, "epochs": epochs}
    what = {**given, "batch": batch, "keep": keep, "thinned": thinned, "sampling": sampling, "mirror": mirror}
    loop = {"steps": steps, "learning_rate": learning_rate, "layer_decay": layer_decay}
    place = {"seed": seed, "device": device, "workers": workers}

    def body() -> Outcome:
        if steps is not None and epochs is not None:
            raise SettingsError(f"give --steps or --epochs, not both; received {steps} and {epochs:g}")
        more = {**what, "held_out": read_held_out(held_out), "config": read_pairs("--config", config)}
        return _train(out, more, {**loop, **place})

    run_verb(body, as_json=as_json and is_first_rank())


def read_held_out(text: str) -> float | Path:
    """ "0.1" -> a share; anything else is the path of a list."""
    try:
        return float(text)
    except ValueError:
        return Path(text)


def _train(out: Path, what: dict[str, Any], loop: dict[str, Any]) -> Outcome:
    """Options that were not given, None, are the recipe's."""
    from vidskim.train.curriculum import Recognition, find_recipe
    from vidskim.train.recognition import train_recognition as run

    recipe, own = find_recipe(videos=what["videos"] is not None, model=what["model"] is not None)
    given = {name: value for name, value in what.items() if value is not None}
    report = run(Recognition(**{**own, **given}), out, loop_settings(recipe, **loop), on_step=step_line())
    return _outcome(out, report) if is_first_rank() else Outcome({}, [])


def _outcome(out: Path, report: "FitReport") -> Outcome:
    from vidskim.train.recognition import MODEL, read_result

    result = read_result(out)
    lines = [
        f"{name}: top-1 {numbers['top1']:.1%}, top-5 {numbers['top5']:.1%}; one frame {numbers['one_frame']:.1%}, "
        f"frames in another order {numbers['shuffled']:.1%}"
        + (f"; {numbers['unreadable']} videos could not be read" if numbers["unreadable"] else "")
        for name, numbers in result.items()
    ]
    return training_outcome({out: report}, out / MODEL, lines=tuple(lines), recognition=result)
