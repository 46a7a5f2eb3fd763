"""vidskim train distill."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from vidskim.cli.console import JsonOption, Outcome, is_first_rank, progress_line, run_verb
from vidskim.cli.model_options import MODEL_HELP, Config, read_pairs
from vidskim.cli.training import Device, Seed, loop_settings, step_line, training_outcome
from vidskim.errors import SettingsError, VidskimError

if TYPE_CHECKING:
    from vidskim.train.loop import FitReport

Number = TypeVar("Number", int, float)

Videos = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder, file or @list.txt of your own videos; may be repeated. None: rendered scenes."
    ),
]
Captions = Annotated[
    Path | None,
    typer.Option(help="CSV or JSON lines with video and caption. Default: clip.txt beside clip.mp4."),
]
Epochs = Annotated[
    float | None, typer.Option(help="Instead of --steps: how often each frame of the footage is seen, about.")
]
HELD_OUT_HELP = "Share of the videos to validate on; of a single one its last part."
DEPTH_HELP = "Linear layers of the tokenizer; as published: 1. Default: the recipe's."


def train_distill(
    *,
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    out: Annotated[Path, typer.Option(help="Folder for the result, checkpoints, curves and cache/.")],
    videos: Videos = None,
    captions: Captions = None,
    loss: Annotated[str, typer.Option(help="regression, mse, ce or ce-both.")] = "regression",
    recipe: Annotated[str, typer.Option(help="tuned, or paper: as published.")] = "tuned",
    interleave: Annotated[str, typer.Option(help="P-frames in a group: a number or a range.")] = "1-5",
    keep: Annotated[str, typer.Option(help="Share of patches kept: a number or a range.")] = "0.1-0.3",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all.")] = None,
    epochs: Epochs = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Groups of frames in each step.")] = None,
    depth: Annotated[int | None, typer.Option(min=1, help=DEPTH_HELP)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak.")] = None,
    fps: Annotated[float, typer.Option(help="Frames per second to sample.")] = 3.0,
    mirror: Annotated[bool, typer.Option(help="Train on mirrored footage too.")] = True,
    held_out: Annotated[float, typer.Option(help=HELD_OUT_HELP)] = 0.2,
    config: Config = None,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that make batches.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Distil a residual tokenizer, which method residual needs; the model itself stays as it is.

    Losses regression and mse need no labels; ce and ce-both compare frames with captions, as published. Your videos
    are prepared and encoded once, into OUT/cache; some are held out, and OUT/validation.json tells how residual does on
    them before and after, beside copy and interpolate. The result, OUT/residual_tokenizer.safetensors, is found beside
    the weights in a model's folder; elsewhere pass load_model(..., residual_tokenizer=FILE).

    Examples:

      vidskim train distill --model ./my-clip-folder --videos clips/ --out runs/distill

      vidskim train distill --model demo --out runs/scenes --interleave 2 --keep 0.15
    """
    source = {"model": model, "videos": videos or (), "captions": captions, "fps": fps, "mirrored": mirror}
    what = {"loss": loss, "depth": depth, "batch": batch, "epochs": epochs, "held_out": held_out, **source}
    place = {"device": device, "workers": workers}
    loop = {"steps": steps, "learning_rate": learning_rate, "seed": seed, **place}

    def body() -> Outcome:
        more = {**what, "config": read_pairs("--config", config)}
        return _distil(out, recipe, ranges=(interleave, keep), loop=loop, what=more)

    run_verb(body, as_json=as_json and is_first_rank())


def _distil(
    out: Path, recipe: str, *, ranges: tuple[str, str], loop: dict[str, Any], what: dict[str, Any]
) -> Outcome:
    """Options that were not given, None, are the recipe's."""
    from vidskim.train.distill import train_distill as run
    from vidskim.train.ranges import Ranges
    from vidskim.train.recipe import Distillation, find_recipe

    interleave = read_range("--interleave", ranges[0], int, example="1-5")
    keep = read_range("--keep", ranges[1], float, example="0.1-0.3")
    if loop["steps"] is not None and what["epochs"] is not None:
        raise SettingsError(
            f"give --steps or --epochs, not both; received {loop['steps']} and {what['epochs']:g}"
        )
    chosen = find_recipe(recipe)
    own = {"depth": chosen.depth, "batch": chosen.batch}
    given = {name: value for name, value in what.items() if value is not None}
    # footage is read faster here than it is sent between processes; rendering is slow
    loop = {**loop, "workers": loop["workers"] if loop["workers"] is not None else int(not what["videos"])}
    with progress_line() as on_video:
        report = run(
            Distillation(**{**own, **given}, ranges=Ranges(interleave, keep)),
            out,
            loop_settings(chosen.loop, **loop),
            on_step=step_line(),
            on_video=on_video,
        )
    return _outcome(out, report) if is_first_rank() else Outcome({}, [])


def _outcome(out: Path, report: "FitReport") -> Outcome:
    from vidskim.methods.residual import TOKENIZER_FILE
    from vidskim.train.record import plot_validation, read_validation

    document = read_validation(out)
    try:
        picture = str(plot_validation(out))
    except VidskimError as error:
        picture = f"none ({error})"
    lines = (*validation_lines(document), f"validation curve: {picture}")
    return training_outcome({out: report}, out / TOKENIZER_FILE, lines=lines, validation=document)


def validation_lines(document: dict[str, Any]) -> list[str]:
    """What validation.json says, for people."""
    held_out = document["held_out"]
    more = f" and {len(held_out) - 5} more" if len(held_out) > 5 else ""
    before, after = document["before"], document["after"]
    lines = [
        f"held out: {', '.join(held_out[:5])}{more}",
        f"cosine of P-frames to the full encoder, N={after['interleave']}, keep {after['keep']:g}:",
    ]
    names = {"cosine": "residual", "cosine_random": "residual, random patches"}
    for key, value in after["between"].items():
        label = names.get(key, key.removeprefix("cosine_").replace("_", " "))
        change = f", {before['between'][key]:.3f} before" if key in names else ""
        lines.append(f"  {label}: {value:.3f}{change}")
    lines.append("all frames at equal total cost (share of the full encoder's MACs):")
    for share, row in after["equal_cost"].items():
        cells = [
            f"{name} {'-' if cell['cosine'] is None else format(cell['cosine'], '.3f')}"
            for name, cell in row.items()
        ]
        lines.append(f"  {share}: {', '.join(cells)}")
    return lines


def read_range(
    option: str, text: str, kind: Callable[[str], Number], *, example: str
) -> tuple[Number, Number]:
    """ "1-5" -> (1, 5); "2" -> (2, 2).

    Raises:
        SettingsError: it is neither.
    """
    try:
        ends = [kind(part) for part in text.split("-")]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2):
        raise SettingsError(f"{option} takes a number or a range such as {example}, received {text!r}")
    return ends[0], ends[-1]
