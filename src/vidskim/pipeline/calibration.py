"""The settings file of `vidskim calibrate`: a method and settings chosen for one model, and what they cost and lose."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vidskim.disk import writing
from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint

FORMAT_VERSION = 1
_TYPES: dict[str, tuple[type, ...]] = {
    "source": (str,),
    "model": (str,),
    "weights": (str,),
    "method": (str,),
    "settings": (dict,),
    "tokenizer": (str, type(None)),
    "fps": (float, int, type(None)),
    "measured": (dict,),
}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A choice made on somebody's own videos.

    Args:
        source: the model as it was named.
        model: its architecture in short, as in its fingerprint.
        weights: hash of its vision tower, as in its fingerprint.
        method: name of the frame method.
        settings: of the method, as `load_model` takes them.
        tokenizer: hash of the residual tokenizer, for a method that has one.
        fps: frames per second that were sampled; None for every frame.
        measured: what was found: plain JSON values.

    Raises:
        SettingsError: a field is of another type.
    """

    source: str
    model: str
    weights: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    fps: float | None = None
    measured: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kinds in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kinds):
                expected = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
                raise SettingsError(f"{name} is {expected}; received {value!r}")

    def require(self, fingerprint: Fingerprint) -> None:
        """Refuse the encoder of another model.

        Raises:
            SettingsError: its weights are others.
        """
        wanted = (self.model, self.weights, self.tokenizer)
        found = (fingerprint.model, fingerprint.weights, fingerprint.settings.get("tokenizer"))
        if wanted == found:
            return
        is_same_tower = wanted[:2] == found[:2]
        other = "another residual tokenizer" if is_same_tower else f"{found[0]}, weights {found[1][:12]}"
        raise SettingsError(
            f"the settings file was calibrated for {self.source} ({self.model}, weights {self.weights[:12]}), and this "
            f"model has {other}; give that one with --model, or run `vidskim calibrate` for this one"
        )


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the settings file, whole or not at all."""
    record = {"format": FORMAT_VERSION, **asdict(calibration)}
    with writing(path) as file:
        file.write(json.dumps(record, indent=2).encode() + b"\n")


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        SettingsError: the file is missing, or not such a file.
    """
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from error
    except ValueError as error:
        raise _not_one(path, f"it is not JSON ({error})") from error
    version = record.pop("format", None) if isinstance(record, dict) else None
    if version != FORMAT_VERSION:
        raise _not_one(path, f"format {version!r}, and this version reads {FORMAT_VERSION}")
    try:
        return Calibration(**record)
    except (TypeError, SettingsError) as error:
        raise _not_one(path, str(error).removeprefix("Calibration.__init__() ")) from error


def _not_one(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path} is no settings file of `vidskim calibrate`: {why}; make one with that command"
    )
