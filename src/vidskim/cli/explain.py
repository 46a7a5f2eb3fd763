"""vidskim explain: a picture of which patches of a video were computed, reused, merged or dropped."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vidskim.cli.classifier_options import R1
from vidskim.cli.console import JsonOption, Outcome, run_verb
from vidskim.cli.model_options import (
    METHOD_HELP,
    MODEL_HELP,
    Budget,
    Config,
    Device,
    Dtype,
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
METHOD, CLIP_METHOD = "reuse", "sta"
FPS = 3.0

Out = Annotated[Path, typer.Option(help="A .png (some groups of frames) or an .mp4 (all frames).")]
Start = Annotated[float | None, typer.Option(help="Take the video from here on, seconds on its clock.")]
Frames = Annotated[
    int, typer.Option(min=1, help="Frames on a .png, about: groups of I- and P-frames stay whole.")
]
MethodOrNone = Annotated[
    str | None,
    typer.Option(
        help=f"{METHOD_HELP} Default {METHOD}. Of a video classifier sta, the default, or what it is compared with."
    ),
]
ExplainR = Annotated[
    int | None,
    typer.Option(
        help="Tokens dropped in each group of time by VideoMAE (default 48), or merged in each block by merge and "
        "residual."
    ),
]
FpsOrNone = Annotated[
    float | None, typer.Option(help="Frames per second to sample; 0 for every frame. Default 3.")
]


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
    r: ExplainR = None,
    r1: R1 = None,
    setting: Setting = None,
    settings: SettingsFile = None,
    config: Config = None,
    fps: FpsOrNone = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    scaler: Scaler = "pillow",
    as_json: JsonOption = False,
) -> None:
    """Draw which patches of a video a method computes, and which it reuses, merges or drops.

    Of a video classifier, which tokens of the clip in the middle of the video are left after each stage.

    I-frames (coloured border) compute all their patches. In P-frames, those that are computed keep their colours.
    Reused ones are tinted, blue like the I-frame before or orange like the one after. Dropped ones are dark.
    Merged ones are one area. Below are all frames. What --start and --duration cut out is encoded as if it were all.

    Examples:

      vidskim explain clips/dog.mp4 --model ./clip-vit-b32 --budget 0.3 --out dog.mp4

      vidskim explain talk.mp4 --method residual --start 60 --duration 20 --frames 6 --json

      vidskim explain clips/dog.mp4 --model videomae-folder --method sta --r 64
    """

    def body() -> Outcome:
        _check_options(out, duration)
        clips = _is_classifier(model, out, {"--fps": fps, "--settings": settings})
        rate = (FPS if fps is None else fps) or None
        choice = ModelChoice(
            source=model,
            method=method or (CLIP_METHOD if clips else METHOD),
            settings=dials_of(
                setting, budget=budget, interleave=interleave, keep=keep, threshold=threshold, r=r, r1=r1
            ),
            config=read_pairs("--config", config),
            scaler=scaler,
            device=device,
            dtype=dtype,
        ).calibrated(settings, method=method, fps=rate)
        part = {"fps": rate, "start_s": start, "end_s": duration and (start or 0.0) + duration}
        return (_explain_clip if clips else _explain)(video, out, choice, part=part, frames=frames)

    run_verb(body, as_json=as_json)


def _check_options(out: Path, duration: float | None) -> None:
    """Refuse what no model can do, before one is read."""
    if duration is not None and not duration > 0:
        raise SettingsError(f"--duration must be above 0 seconds, received {duration}")
    if out.suffix.lower() not in (PICTURE, VIDEO):
        raise SettingsError(f"--out ends in {PICTURE} or {VIDEO}, received {str(out)!r}")


def _is_classifier(model: str, out: Path, options: dict[str, object]) -> bool:
    """What kind of model it is; of a video classifier refuse what does not go with one."""
    from vidskim.pipeline.load import is_classifier

    if not is_classifier(model):
        return False
    if out.suffix.lower() != PICTURE:
        raise SettingsError(f"--out ends in {PICTURE} for a video classifier, received {str(out)!r}")
    if given := [name for name, value in options.items() if value is not None]:
        raise SettingsError(
            f"{' and '.join(given)} is for frame models; a video classifier has a frame rate of its own"
        )
    return True


def _explain_clip(
    video: Path, out: Path, choice: ModelChoice, *, part: dict[str, float | None], frames: int
) -> Outcome:
    from vidskim.tasks.clip_picture import write_clip_picture
    from vidskim.tasks.explain_clip import explain_clip

    explanation = explain_clip(video, choice.load_classifier(), start_s=part["start_s"], end_s=part["end_s"])
    title = f"{video.name}: {explanation.method}"
    write_clip_picture(explanation, out, slices=frames, title=title)
    document: dict[str, Any] = {"video": str(video), "out": str(out), **explanation.to_json()}
    return Outcome(document, [explanation.summary(), explanation.verdict(), f"drawn to {out}"])


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
