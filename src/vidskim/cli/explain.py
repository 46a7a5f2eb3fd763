"""vidskim explain: a picture of which patches of a video were computed, reused, merged or dropped."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from vidskim.tasks.explain_clip import TokenExplanation

PICTURE, VIDEO = ".png", ".mp4"
METHOD, CLIP_METHOD, JOINING = "reuse", "sta", "tempme"
FPS = 3.0

Video = Annotated[
    Path | None,
    typer.Argument(help=f"A file. Without one, --method {JOINING} prints its plan.", show_default=False),
]
Out = Annotated[Path, typer.Option(help="A .png (some groups of frames) or an .mp4 (all frames).")]
Start = Annotated[float | None, typer.Option(help="Take the video from here on, seconds on its clock.")]
Frames = Annotated[
    int, typer.Option(min=1, help="Frames on a .png, about: groups of I- and P-frames stay whole.")
]
MethodOrNone = Annotated[
    str | None,
    typer.Option(
        help=f"{METHOD_HELP} Default {METHOD}. {JOINING}: of whole videos. Of a video classifier sta, the default, or "
        "what it is compared with."
    ),
]
ExplainR = Annotated[
    int | None,
    typer.Option(
        help="Tokens dropped in each group of time by VideoMAE (default 48), or merged in each block by merge and "
        "residual."
    ),
]
AdapterFile = Annotated[
    Path | None,
    typer.Option(
        help=f"For {JOINING}: LoRA and clip positions. Default: the model's own, if the plan has its joins."
    ),
]
FpsOrNone = Annotated[
    float | None, typer.Option(help="Frames per second to sample; 0 for every frame. Default 3.")
]


def explain(
    video: Video = None,
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
    adapter: AdapterFile = None,
    settings: SettingsFile = None,
    config: Config = None,
    fps: FpsOrNone = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    scaler: Scaler = "pillow",
    as_json: JsonOption = False,
) -> None:
    """Draw which patches of a video a method computes, and which it reuses, merges or drops.

    Of a video classifier, the tokens of a clip that are left after each stage. Of tempme, which patches of which
    frames become one token, and the plan.

    I-frames (coloured border) compute all their patches. In P-frames computed ones keep their colours, reused ones
    are tinted (blue like the I-frame before, orange like the one after), dropped ones dark, merged ones one area.

    Examples:

      vidskim explain clips/dog.mp4 --model ./clip-vit-b32 --budget 0.3 --out dog.mp4

      vidskim explain talk.mp4 --method residual --start 60 --duration 20 --frames 6 --json

      vidskim explain clips/dog.mp4 --model videomae-folder --method sta --r 64

      vidskim explain clips/dog.mp4 --model ./clip-vit-b32 --method tempme --set split=clip
    """

    def body() -> Outcome:
        shares = {"budget": budget, "keep": keep, "threshold": threshold}
        dials = dials_of(setting, interleave=interleave, r=r, r1=r1, **shares)
        choice = ModelChoice(
            source=model,
            method=method or "",
            settings=dials,
            config=read_pairs("--config", config),
            scaler=scaler,
            device=device,
            dtype=dtype,
        )
        drawing = _Drawing(video, out, frames, start, duration)
        return drawing.draw(choice, fps=fps, settings=settings, adapter=adapter)

    run_verb(body, as_json=as_json)


@dataclass(frozen=True)
class _Drawing:
    """What is drawn of which video, and where to."""

    video: Path | None
    out: Path
    frames: int
    start_s: float | None
    length_s: float | None

    def draw(
        self, choice: ModelChoice, *, fps: float | None, settings: Path | None, adapter: Path | None
    ) -> Outcome:
        """By the kind of model and method; what no model can do is refused before one is read."""
        if self.length_s is not None and not self.length_s > 0:
            raise SettingsError(f"--duration must be above 0 seconds, received {self.length_s}")
        if self.out.suffix.lower() not in (PICTURE, VIDEO):
            raise SettingsError(f"--out ends in {PICTURE} or {VIDEO}, received {str(self.out)!r}")
        sampling = {"--fps": fps, "--settings": settings}
        if choice.method == JOINING:
            self._refuse("tempme", sampling, "tempme takes as many frames as its plan has")
            return self._joined(choice, adapter)
        if self.video is None:
            raise SettingsError(f"give a VIDEO; only --method {JOINING} has a plan to print without one")
        if adapter is not None:
            raise SettingsError(f"--adapter goes with --method {JOINING}")
        from vidskim.pipeline.load import is_classifier

        if is_classifier(choice.source):
            self._refuse("a video classifier", sampling, "a video classifier has a frame rate of its own")
            return self._clip(self.video, replace(choice, method=choice.method or CLIP_METHOD))
        rate = (FPS if fps is None else fps) or None
        choice = replace(choice, method=choice.method or METHOD).calibrated(
            settings, method=choice.method or None, fps=rate
        )
        return self._patches(self.video, choice, rate)

    def _refuse(self, kind: str, options: Mapping[str, object], why: str) -> None:
        """What does not go with a kind of model: a film, where there is one picture, and these options."""
        if self.out.suffix.lower() != PICTURE:
            raise SettingsError(f"--out ends in {PICTURE} for {kind}, received {str(self.out)!r}")
        if given := [name for name, value in options.items() if value is not None]:
            raise SettingsError(f"{' and '.join(given)} is for frame models; {why}")

    def _joined(self, choice: ModelChoice, adapter: Path | None) -> Outcome:
        if adapter is not None:
            choice = replace(choice, settings={**choice.settings, "adapter": str(adapter)})
        model = choice.load_retrieval()
        plan = model.plan()
        if self.video is None:
            return Outcome(plan.to_json(), str(plan).splitlines())
        from vidskim.tasks.explain_video import explain_video

        found = explain_video(self.video, model, start_s=self.start_s, length_s=self.length_s)
        outcome = self._write(self.video, found)
        return Outcome(outcome.document, [*str(plan).splitlines(), "", *outcome.lines])

    def _clip(self, video: Path, choice: ModelChoice) -> Outcome:
        from vidskim.tasks.explain_clip import explain_clip

        return self._write(
            video, explain_clip(video, choice.load_classifier(), start_s=self.start_s, end_s=self._end_s)
        )

    def _write(self, video: Path, found: "TokenExplanation") -> Outcome:
        from vidskim.tasks.clip_picture import write_clip_picture

        write_clip_picture(found, self.out, slices=self.frames, title=f"{video.name}: {found.method}")
        document = {"video": str(video), "out": str(self.out), **found.to_json()}
        return Outcome(document, [found.summary(), found.verdict(), f"drawn to {self.out}"])

    def _patches(self, video: Path, choice: ModelChoice, fps: float | None) -> Outcome:
        from vidskim.tasks.explain import explain_file
        from vidskim.tasks.patch_strip import write_strip
        from vidskim.tasks.patch_video import write_explanation_video

        encoder = choice.load()
        found = explain_file(video, encoder, fps=fps, start_s=self.start_s, end_s=self._end_s)
        title = f"{video.name}: {found.method}"
        if self.out.suffix.lower() == VIDEO:
            write_explanation_video(found, video, encoder, self.out, title=title)
        else:
            write_strip(found, video, encoder, self.out, frames=self.frames, title=title)
        document = {"video": str(video), "out": str(self.out), **found.to_json()}
        merging = found.merging()
        lines = [found.summary(), *([f"I-frames are {merging} on the way"] if merging else [])]
        return Outcome(document, [*lines, f"drawn to {self.out}"])

    @property
    def _end_s(self) -> float | None:
        return None if self.length_s is None else (self.start_s or 0.0) + self.length_s
