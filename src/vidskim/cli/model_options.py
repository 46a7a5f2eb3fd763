"""What verbs that encode have in common: which model, which method, and how frames are sampled."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import note
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.pipeline.calibration import Calibration
    from vidskim.pipeline.classifier import VideoClassifier
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.retrieval import RetrievalEncoder

StoreOption = Annotated[str, typer.Option("--store", help="Folder, or an object-store URI.")]
MODEL_HELP = "demo (bundled), a Hub id, a folder or a checkpoint file."

PLACES = ("student", "residual_tokenizer", "adapter")  # settings that are folders or files
METHOD_HELP = "full, copy, interpolate, merge, residual or reuse."

Budget = Annotated[
    float | None,
    typer.Option(
        help="Share of the full encoder's compute to spend, for reuse; videos of a few frames may take more. Default "
        "0.45, unless one of the next three is given."
    ),
]
Interleave = Annotated[
    int | None,
    typer.Option(help="Fixed groups: P-frames for each I-frame, N. Default 2 (reuse: see --budget)."),
]
Keep = Annotated[
    float | None,
    typer.Option(
        help="Fixed groups: share of patches computed in a P-frame. Default 0.15 (reuse: see --budget)."
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Fixed groups, instead of --keep: compute patches that change more (0..1)."),
]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="select (auto, motion, motion-signed, residuals, difference, random, uniform, center or "
        "center-released), anchors, r (tokens merged in each block), resolution, token, student, "
        "residual_tokenizer (the file of `vidskim train distill`) or seed of the method; of tempme plan (b32-12f, "
        'b16-12f, b32-64f, b16-64f or JSON: {"frames": 8, "joins": {"2": 2, "3": 4}, "r": 4, "across": 0.3, '
        '"within": 0.1}; without the last three nothing is merged), split, merge or faithful: name=value.',
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="Method and settings from a file that `vidskim calibrate` wrote."),
]
Config = Annotated[
    list[str] | None, typer.Option(help="What a bare state dict cannot tell, such as heads=3: name=value.")
]
Fps = Annotated[float, typer.Option(help="Frames per second to sample; 0 for every frame.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16, float16 or float64.")]
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
        calibration: what `method` and `settings` were taken from, if a settings file was given.
    """

    source: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    scaler: str = "pillow"
    device: str = "auto"
    dtype: str = "auto"
    calibration: "Calibration | None" = None

    def calibrated(self, file: Path | None, *, method: str | None, fps: float | None) -> "ModelChoice":
        """The same with the method and the settings of a settings file, if there is one.

        Args:
            file: as `vidskim calibrate` wrote it; None leaves all as it is.
            method: the one asked for by name, if any.
            fps: frames per second that will be sampled, None for every frame.

        Raises:
            SettingsError: a method or a setting is asked for as well, or the file is not such a file.
        """
        if file is None:
            return self
        names = [*(["--method"] if method else []), *self.settings]
        if names:
            raise SettingsError(
                f"with --settings the method and its settings are those of {file}; leave out {', '.join(names)}"
            )
        from vidskim.pipeline.calibration import read_calibration

        calibration = read_calibration(file)
        if calibration.fps != fps:
            there, here = (f"{rate:g} frames/s" if rate else "every frame" for rate in (calibration.fps, fps))
            note(f"{file} was measured on {there}, and this run samples {here}: expect other losses and cost")
        return replace(
            self, method=calibration.method, settings=calibration.settings, calibration=calibration
        )

    def load(self) -> "VideoEncoder":
        """The encoder.

        Raises:
            SettingsError: the settings file was made for another model.
        """
        from vidskim.pipeline.load import load_encoder

        encoder = load_encoder(self.source, **self._options)
        if self.calibration is not None:
            self.calibration.require(encoder.fingerprint)
        return encoder

    def load_classifier(self) -> "VideoClassifier":
        """The same for a video classifier.

        Raises:
            CheckpointError: it is none.
        """
        from vidskim.pipeline.load import load_classifier

        return load_classifier(self.source, **self._options)

    def load_retrieval(self) -> "RetrievalEncoder":
        """The same for whole videos; `method` is "tempme"."""
        from vidskim.pipeline.load import load_model

        model: RetrievalEncoder = load_model(self.source, **self._options)
        return model

    @property
    def _options(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("method", "device", "dtype", "config", "scaler")}
        return {**own, **self.settings}

    def origin(self) -> dict[str, Any]:
        """How to get the same extractor again, from any folder: arguments of `load_model`."""
        from vidskim.pipeline.hub import lasting_name

        kept = {name: self.settings[name] for name in PLACES if self.settings.get(name) is not None}
        return {
            "source": lasting_name(self.source),
            "method": self.method,
            "config": self.config,
            "scaler": self.scaler,
            **self.settings,
            **{name: lasting_name(place) for name, place in kept.items()},
        }


def dials_of(pairs: Sequence[str] | None, **dials: float | None) -> dict[str, Any]:
    """A method's settings, from options of their own and from `--set`; as `read_pairs`."""
    return read_pairs("--set", pairs, **dials)


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


def read_values(pairs: Sequence[str] | None, **named: Sequence[object] | None) -> dict[str, list[object]]:
    """What each setting is tried with: from options of their own, then from `--set`, where a name may come again.

    Raises:
        SettingsError: a pair is not one.
    """
    values: dict[str, list[object]] = {name: [*given] for name, given in named.items() if given}
    for pair in pairs or []:
        for name, value in read_pairs("--set", [pair]).items():
            values.setdefault(name, []).append(value)
    return values
