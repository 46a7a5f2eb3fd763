"""vidskim classify: what videos show, by a video classifier."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import DONE, FAILED, PARTIAL, JsonOption, Outcome, note, run_verb
from vidskim.cli.model_options import Config, Device, Dtype, Scaler, read_pairs
from vidskim.errors import CheckpointError, VideoError

if TYPE_CHECKING:
    from vidskim.pipeline.classifier import Classification, VideoClassifier

Model = Annotated[str, typer.Option(help="A fine-tuned VideoMAE: a Hub id, a folder or a checkpoint file.")]
Drop = Annotated[int | None, typer.Option(help="Tokens that sta drops in each group of time. Default 48.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="r (as [64,48,32]), groups, direction or anchor of sta: name=value."),
]
ViewsName = Annotated[
    str, typer.Option(help="one, k400 (15, as published for Kinetics) or ssv2 (6, for Something-Something).")
]


def classify(
    videos: Annotated[list[str], typer.Argument(help="Files, folders, or @list.txt.")],
    *,
    model: Model,
    method: Annotated[str, typer.Option(help="full or sta.")] = "full",
    r: Drop = None,
    top: Annotated[int, typer.Option(min=1, help="Labels for each video.")] = 5,
    views: ViewsName = "one",
    setting: Setting = None,
    config: Config = None,
    scaler: Scaler = "pillow",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: JsonOption = False,
) -> None:
    """Label videos with a fine-tuned VideoMAE, in full or with fewer tokens.

    Examples:

      vidskim classify clips/ --model MCG-NJU/videomae-base-finetuned-kinetics --method sta --r 48

      vidskim classify dog.mp4 --model checkpoint-99.pth --views k400 --top 3 --json
    """

    def body() -> Outcome:
        from vidskim.pipeline.classifier import VideoClassifier
        from vidskim.pipeline.load import load_model
        from vidskim.pipeline.sources import list_videos
        from vidskim.video.views import find_views

        listed, chosen = list_videos(videos), find_views(views)
        classifier = load_model(
            model,
            method=method,
            device=device,
            dtype=dtype,
            config=read_pairs("--config", config),
            scaler=scaler,
            **read_pairs("--set", setting, r=r),
        )
        if not isinstance(classifier, VideoClassifier):
            raise CheckpointError(f"{model} is a frame model and has no labels; give a video classifier")
        found: dict[Path, Classification] = {}
        failed: list[VideoError] = []
        for path in listed:
            try:
                found[path] = classifier.classify_file(path, top=top, views=chosen)
            except VideoError as error:
                failed.append(error)
                note(f"failed {error}")
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
        lines.append(f"{path}  ({shown.views} views, {shown.macs / 1e9:.1f} GMAC)")
        lines += [f"  {probability:.3f}  {label}" for label, probability in shown]
    return Outcome(document, lines, (PARTIAL if found else FAILED) if failed else DONE)
