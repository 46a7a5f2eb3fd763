"""What verbs that run a video classifier have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vidskim.pipeline.classifier import VideoClassifier

ClassifierOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="demo-action, or a fine-tuned VideoMAE or Video Swin: a Hub id, a folder or a checkpoint file.",
    ),
]
ClassifierMethod = Annotated[
    str,
    typer.Option("--method", help="full, sta, saliency, redundancy, random, uniform, or on VideoMAE tome."),
]
R = Annotated[
    int | None,
    typer.Option(help="VideoMAE: tokens dropped in each group of time, of 196 at 224 pixels. Default 48."),
]
R1 = Annotated[
    int | None,
    typer.Option(help="Video Swin: tokens dropped of a slice of the second stage, of 784. Default 256."),
]
ClassifierSetting = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Other settings of the method: r (as [64,48,32]), groups, direction, anchor, windows or seed: name=value.",
    ),
]
ViewsName = Annotated[
    str,
    typer.Option(
        help="one (sampled as trained, if the model tells), k400 (published for Kinetics: 15 views, Video Swin 12) or "
        "ssv2 (Something-Something: 6 and 3)."
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(help="Names of the classes, one a line, in their order; for checkpoints that have none."),
]


def with_names(classifier: "VideoClassifier", classes: Path | None) -> "VideoClassifier":
    """A classifier with the names of a file, if one is given.

    Raises:
        SettingsError: the file cannot be read, or does not fit.
    """
    if classes is None:
        return classifier
    from vidskim.evaluate.labelled import read_classes

    return classifier.with_labels(read_classes(classes))
