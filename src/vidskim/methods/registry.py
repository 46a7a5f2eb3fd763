"""Methods by name, built from settings that are checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any

import torch

from vidskim.errors import CheckpointError, SettingsError, unknown_name
from vidskim.methods.baseline import Copy, Full, Interpolate
from vidskim.methods.frames import FrameMethod
from vidskim.methods.merge import Merging
from vidskim.methods.residual import Residual, ResidualTokenizer, Student
from vidskim.methods.reuse import Reuse
from vidskim.models.weights import hash_weights

METHODS: dict[str, type[FrameMethod]] = {
    method.name: method for method in (Full, Copy, Interpolate, Merging, Residual, Reuse)
}
_TYPES: dict[str, tuple[type, ...]] = {
    "interleave": (int,),
    "budget": (float, int),
    "keep": (float, int),
    "threshold": (float, int, type(None)),
    "select": (str,),
    "anchors": (str,),
    "seed": (int, type(None)),
    "r": (int, type(None)),
    "resolution": (int, type(None)),
    "token": (bool,),
}


def setting_fields(name: str) -> dict[str, "Field[Any]"]:
    """A method's settings; its parts (tokenizer, normalisation) apart.

    Raises:
        SettingsError: no such method.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return {field.name: field for field in fields(METHODS[name]) if not field.metadata.get("part")}  # type: ignore[arg-type]


def build_method(name: str, settings: Mapping[str, object], parts: Mapping[str, object]) -> FrameMethod:
    """A method from its name and settings.

    Args:
        name: one of `METHODS`.
        settings: by name; what is missing takes its default.
        parts: what the model provides: "std", "tokenizer" and "student"; each method takes those it has.

    Raises:
        SettingsError: unknown method or setting, or a value of the wrong type or range.
    """
    _check_names(name, settings)
    for key, value in settings.items():
        if not isinstance(value, _TYPES[key]) or (isinstance(value, bool) and bool not in _TYPES[key]):
            kinds = ["None" if kind is type(None) else kind.__name__ for kind in _TYPES[key]]
            expected = " or ".join(kinds)
            raise SettingsError(f"{key} is {expected}; received {value!r}")
    if settings.get("threshold") is not None and "keep" in settings:
        raise SettingsError(
            f"give keep (a fixed share) or threshold (a share that follows the change), not both; "
            f"received keep={settings['keep']} and threshold={settings['threshold']}"
        )
    if settings.get("r") is not None and (given := settings.keys() & {"keep", "threshold"}):
        chosen = " and ".join(f"{key}={settings[key]}" for key in sorted(given))
        raise SettingsError(
            f"give r (tokens merged in each block) or keep or threshold (patches that are kept), not both; "
            f"received r={settings['r']} and {chosen}"
        )
    if settings.get("resolution") is not None and not settings.keys() & {"keep", "threshold"}:
        settings = {**settings, "keep": 1.0}  # a smaller frame is few patches already
    interleave = settings.get("interleave", 1)
    if isinstance(interleave, int) and interleave < 1:
        raise SettingsError(
            f'interleave is P-frames for each I-frame, at least 1; received {interleave}. Use method="full" for none'
        )
    # keep=1 and keep=1.0 are one setting, and have one fingerprint
    exact = {k: float(v) if isinstance(v, int) and float in _TYPES[k] else v for k, v in settings.items()}
    own = {field.name for field in fields(METHODS[name])}  # type: ignore[arg-type]
    return METHODS[name](**exact, **{key: part for key, part in parts.items() if key in own})


def _check_names(name: str, settings: Iterable[str]) -> None:
    """Whether a method has all of these settings.

    Raises:
        SettingsError: it does not, or there is no such method.
    """
    allowed = setting_fields(name)
    for key in settings:
        if key not in allowed:
            raise _unknown_setting(name, key, allowed)


def _unknown_setting(method: str, key: str, allowed: Iterable[str]) -> SettingsError:
    owners = [other for other in METHODS if key in setting_fields(other)]
    if owners:
        return SettingsError(
            f"method={method!r} has no setting {key!r}; it belongs to method={' or '.join(map(repr, owners))}"
        )
    every = {name for other in METHODS for name in setting_fields(other)}
    return unknown_name(f"setting of method={method!r},", key, list(allowed) or every)


def make_method(
    name: str,
    settings: Mapping[str, object],
    *,
    std: Sequence[float],
    tokenizer: ResidualTokenizer | None,
    student: Student | None = None,
    model: str,
) -> FrameMethod:
    """A method for a model.

    Args:
        name: one of `METHODS`.
        settings: by name; what is missing takes its default.
        std: the preparation's standard deviation [3].
        tokenizer: the model's residual tokenizer, or None.
        student: another tower for the P-frames of "residual", or None.
        model: its description, for the error.

    Raises:
        SettingsError: unknown method or setting, or a value of the wrong type or range.
        CheckpointError: "residual" without a tokenizer.
    """
    _check_names(name, settings)
    if name == Residual.name and tokenizer is None and settings.get("token") is not False:
        tower = model if student is None else student.model
        raise CheckpointError(
            f"{tower} has no residual tokenizer, which method='residual' needs. Distil one with "
            "`vidskim train distill --model MODEL --videos YOUR_VIDEOS --out FOLDER` (no labels are needed) and pass "
            "load_model(..., residual_tokenizer=FOLDER/residual_tokenizer.safetensors), "
            "or use method='reuse', which needs no training (token=False leaves the token out)"
        )
    return build_method(
        name, settings, {"std": torch.tensor(std), "tokenizer": tokenizer, "student": student}
    )


def method_settings(method: FrameMethod) -> dict[str, object]:
    """What a method was built with, for a fingerprint: settings in force and the hashes of its trained parts."""
    named = (name for name in setting_fields(method.name) if name not in method.idle)
    settings = {name: getattr(method, name) for name in named}
    if isinstance(method, Residual) and method.token and method.tokenizer is not None:
        settings["tokenizer"] = hash_weights(method.tokenizer.state_dict())
    if isinstance(method, Residual) and method.student is not None:
        settings["student"] = f"{method.student.model}, weights {method.student.weights}"
    return settings
