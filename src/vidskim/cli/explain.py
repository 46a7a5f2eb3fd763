"""vidskim explain: a picture of which patches of a video were computed, reused, merged or dropped."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, run_verb
from vidskim.cli.model_options import (
    METHOD_HELP,
    MODEL_HELP,
    Budget,
    Config,
    Device,
    Dtype,
    Fps,
    Interleave,
    Keep,
    ModelChoice,
    Scaler,
    Setting,
    SettingsFile,
    Threshold,
    dials_of,
    read_pairs,
)
from vidskim.errors import SettingsError

PICTURE, VIDEO = ".png", ".mp4"
METHOD = "reuse"

Out = Annotated[Path, typer.Option(help="A .png (some groups of frames) or an .mp4 (all frames).")]
Start = Annotated[float | None, typer.Option(help="Take the video from here on, seconds on its clock.")]
Frames = Annotated[
    int, typer.Option(min=1, help="Frames on a .png, about: groups of I- and P-frames stay whole.")
]
MethodOrNone = Annotated[str | None, typer.Option(help=f"{METHOD_HELP} Default {METHOD}.")]


def explain(
    video: Annotated[Path, typer.Argument(help="A file.")],
    *,
    out: Out = Path("explain.png"),
    start: Start = None,
    duration: Annotated[float | None, typer.Option(help="Take so many seconds.")] = None,
    frames: Frames = 12,
    model: Annotated[str, typer.Option(help=MODEL_HELP)] = "demo",
    method: MethodOrNone = None,
    budget: Budget = None,
    interleave: Interleave = None,
    keep: Keep = None,
    threshold: Threshold = None,
    setting: Setting = None,
    settings: SettingsFile = None,
    config: Config = None,
    fps: Fps = 3.0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    scaler: Scaler = "pillow",
    as_json: JsonOption = False,
) -> None:
    """Draw which patches of a video a method computes, and which it reuses, merges or drops.

    I-frames (coloured border) compute all their patches. In P-frames, those that are computed keep their colours.

    Reused ones are tinted, blue like the I-frame before or orange like the one after. Dropped ones are dark.

    Merged ones are one area. Below are all frames. What --start and --duration cut out is encoded as if it were all.

    Patches are chosen by pixels, in reuse also by the model's attention; "demo" has a grid of 7 x 7 of them.

    Examples:

      vidskim explain clips/dog.mp4

      vidskim explain clips/dog.mp4 --model ./clip-vit-b32 --budget 0.3 --out dog.mp4

      vidskim explain talk.mp4 --method residual --start 60 --duration 20 --frames 6 --json
    """

    def body() -> Outcome:
        if out.suffix.lower() not in (PICTURE, VIDEO):
            raise SettingsError(f"--out ends in {PICTURE} or {VIDEO}, received {str(out)!r}")
        if duration is not None and not duration > 0:
            raise SettingsError(f"--duration must be above 0 seconds, received {duration}")
        choice = ModelChoice(
            source=model,
            method=method or METHOD,
            settings=dials_of(setting, budget=budget, interleave=interleave, keep=keep, threshold=threshold),
            config=read_pairs("--config", config),
            scaler=scaler,
            device=device,
            dtype=dtype,
        ).calibrated(settings, method=method, fps=fps or None)
        end = None if duration is None else (start or 0.0) + duration
        part = {"fps": fps or None, "start_s": start, "end_s": end}
        return _explain(video, out, choice, part=part, frames=frames)

    run_verb(body, as_json=as_json)


def _explain(
    video: Path, out: Path, choice: ModelChoice, *, part: dict[str, float | None], frames: int
) -> Outcome:
    from vidskim.tasks.explain import explain_file
    from vidskim.tasks.patch_strip import write_strip
    from vidskim.tasks.patch_video import write_explanation_video

    encoder = choice.load()
    explanation = explain_file(video, encoder, **part)
    title = f"{video.name}: {explanation.method}"
    if out.suffix.lower() == VIDEO:
        write_explanation_video(explanation, video, encoder, out, title=title)
    else:
        write_strip(explanation, video, encoder, out, frames=frames, title=title)
    document: dict[str, Any] = {"video": str(video), "out": str(out), **explanation.to_json()}
    merging = explanation.merging()
    lines = [
        explanation.summary(),
        *([f"I-frames are {merging} on the way"] if merging else []),
        f"drawn to {out}",
    ]
    return Outcome(document, lines)
