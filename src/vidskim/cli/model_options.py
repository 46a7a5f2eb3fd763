"""What verbs that encode have in common: which model, which method, and how frames are sampled."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.pipeline.encoder import VideoEncoder

StoreOption = Annotated[str, typer.Option("--store", help="Folder, or an object-store URI.")]
MODEL_HELP = "demo (bundled), a Hub id, a folder or a checkpoint file."

Method = Annotated[str, typer.Option(help="full, copy, interpolate, residual or reuse.")]
Interleave = Annotated[int | None, typer.Option(help="P-frames for each I-frame, N. Default 2.")]
Keep = Annotated[float | None, typer.Option(help="Share of patches computed in a P-frame. Default 0.15.")]
Threshold = Annotated[
    float | None, typer.Option(help="Instead of --keep: compute patches that change more (0..1).")
]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="select (auto, motion, motion-signed, residuals, difference, random, uniform, center or "
        "center-released), anchors or seed of the method: name=value.",
    ),
]
Config = Annotated[
    list[str] | None, typer.Option(help="What a bare state dict cannot tell, such as heads=3: name=value.")
]
Fps = Annotated[float, typer.Option(help="Frames per second to sample; 0 for every frame.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Scaler = Annotated[str, typer.Option(help="pillow (exact) or decoder (faster, nearly equal).")]


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """A model and a method as asked for.

    Args:
        source: "demo", a Hub id, a folder or a file.
        method: name of the frame method.
        settings: of the method.
        config: what a bare state dict cannot tell.
        scaler: what resizes frames.
        device: where to compute.
        dtype: in what.
    """

    source: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    scaler: str = "pillow"
    device: str = "auto"
    dtype: str = "auto"

    def load(self) -> "VideoEncoder":
        """The encoder."""
        from vidskim.pipeline.load import load_model

        return load_model(
            self.source,
            method=self.method,
            device=self.device,
            dtype=self.dtype,
            config=self.config,
            scaler=self.scaler,
            **self.settings,
        )

    def origin(self) -> dict[str, Any]:
        """How to get the same extractor again, from any folder: arguments of `load_model`."""
        from vidskim.pipeline.hub import lasting_name

        return {
            "source": lasting_name(self.source),
            "method": self.method,
            "config": self.config,
            "scaler": self.scaler,
            **self.settings,
        }


def read_pairs(option: str, pairs: Sequence[str] | None, **named: float | None) -> dict[str, Any]:
    """Settings from options of their own and from name=value pairs; values are read as JSON where they can be.

    Raises:
        SettingsError: a pair is not one, or a name is given twice.
    """
    settings: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise SettingsError(f"{option} takes name=value, received {pair!r}")
        if name in settings:
            raise SettingsError(f"{name} is given twice")
        try:
            settings[name] = json.loads(text)
        except ValueError:
            settings[name] = text
    return settings
