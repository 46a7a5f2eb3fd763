"""vidskim classify: what videos show, by a video classifier."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.classifier_options import (
    R1,
    Classes,
    ClassifierMethod,
    ClassifierOption,
    ClassifierSetting,
    R,
    ViewsName,
    with_names,
)
from vidskim.cli.console import DONE, FAILED, PARTIAL, JsonOption, Outcome, note, run_verb
from vidskim.cli.model_options import Config, Device, Dtype, ModelChoice, Scaler, read_pairs
from vidskim.errors import VideoError

if TYPE_CHECKING:
    from vidskim.pipeline.classification import Classification
    from vidskim.pipeline.classifier import VideoClassifier


def classify(
    videos: Annotated[list[str], typer.Argument(help="Files, folders, or @list.txt.")],
    *,
    model: ClassifierOption,
    method: ClassifierMethod = "full",
    r: R = None,
    r1: R1 = None,
    top: Annotated[int, typer.Option(min=1, help="Labels for each video.")] = 5,
    views: ViewsName = "one",
    classes: Classes = None,
    setting: ClassifierSetting = None,
    config: Config = None,
    scaler: Scaler = "pillow",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: JsonOption = False,
) -> None:
    """Label videos with a fine-tuned VideoMAE or Video Swin, in full or with fewer tokens.

    Examples:

      vidskim classify clips/ --model MCG-NJU/videomae-base-finetuned-kinetics --method sta --r 48

      vidskim classify clips/ --model swin_tiny_k400.pth --method sta --r1 256

      vidskim classify dog.mp4 --model checkpoint-99.pth --classes label_map_k400.txt --views k400 --top 3 --json
    """

    def body() -> Outcome:
        from vidskim.pipeline.sources import list_videos
        from vidskim.tasks.classify import classify_files

        listed = list_videos(videos)
        choice = ModelChoice(
            source=model,
            method=method,
            settings=read_pairs("--set", setting, r=r, r1=r1),
            config=read_pairs("--config", config),
            scaler=scaler,
            device=device,
            dtype=dtype,
        )
        classifier = with_names(choice.load_classifier(), classes)
        found: dict[Path, Classification] = {}
        failed: list[VideoError] = []
        for path, shown in classify_files(listed, classifier, top=top, views=views):
            if isinstance(shown, VideoError):
                failed.append(shown)
                note(f"failed {shown}")
            else:
                found[path] = shown
        return _outcome(classifier, found, failed)

    run_verb(body, as_json=as_json)


def _outcome(
    classifier: "VideoClassifier", found: "dict[Path, Classification]", failed: list[VideoError]
) -> Outcome:
    made = classifier.fingerprint
    document: dict[str, Any] = {
        "model": made.model,
        "method": made.method,
        "settings": made.settings,
        "videos": [
            {
                "path": str(path),
                "labels": [{"label": label, "probability": probability} for label, probability in shown],
                "views": shown.views,
                "macs": shown.macs,
            }
            for path, shown in found.items()
        ],
        "failed": [{"path": error.path, "kind": error.kind, "message": str(error)} for error in failed],
    }
    lines = []
    for path, shown in found.items():
        views = f"{shown.views} view{'s' * (shown.views != 1)}"
        lines.append(f"{path}  ({views}, {shown.macs / 1e9:.1f} GMAC)")
        lines += [f"  {probability:.3f}  {label}" for label, probability in shown]
    return Outcome(document, lines, (PARTIAL if found else FAILED) if failed else DONE)
