"""What verbs that run a video classifier have in common."""

from typing import Annotated

import typer

ClassifierOption = Annotated[
    str,
    typer.Option(
        "--model", help="A fine-tuned VideoMAE or Video Swin: a Hub id, a folder or a checkpoint file."
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
        help="one, k400 (published for Kinetics: 15 views, Video Swin 12) or ssv2 (Something-Something: 6 and 3)."
    ),
]
