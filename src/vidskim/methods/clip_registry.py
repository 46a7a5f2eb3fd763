"""Methods of video classifiers by name, built from settings that are checked."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.clip_baselines import Random, Redundancy, Saliency, Tome, Uniform
from vidskim.methods.clips import ClipMethod, FullClip, FullSwin
from vidskim.methods.registry import METHODS
from vidskim.methods.sta import Sta
from vidskim.methods.swin_sta import SwinRandom, SwinRedundancy, SwinSaliency, SwinSta, SwinUniform

# of each kind of trunk
CLIP_METHODS: dict[str, dict[str, Any]] = {
    "videomae": {
        method.name: method for method in (FullClip, Sta, Saliency, Redundancy, Random, Uniform, Tome)
    },
    "swin": {
        method.name: method
        for method in (FullSwin, SwinSta, SwinSaliency, SwinRedundancy, SwinRandom, SwinUniform)
    },
}


def make_clip_method(name: str, settings: Mapping[str, Any], *, family: str) -> ClipMethod:
    """A clip method from its name and settings; what is missing takes its default, a list is taken for a tuple.

    Args:
        name: one of the family's methods.
        settings: by name.
        family: kind of trunk, of `CLIP_METHODS`.

    Raises:
        SettingsError: unknown method or setting, or a value out of range.
    """
    methods = CLIP_METHODS[family]
    if name not in methods and name in METHODS:
        raise SettingsError(
            f"method={name!r} encodes frames, and this is a video classifier; its methods: {', '.join(methods)}"
        )
    if name not in methods:
        raise unknown_name("method of a video classifier,", name, methods)
    owned = settings_by_method(family)
    for key in settings.keys() - set(owned[name]):
        raise _unknown_setting(name, key, owned)
    exact = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    made: ClipMethod = methods[name](**exact)
    return made


def settings_by_method(family: str) -> dict[str, list[str]]:
    """Names of the settings that each method of a kind of trunk has."""
    return {name: [field.name for field in fields(kind)] for name, kind in CLIP_METHODS[family].items()}


def refuse_clip_method(name: str) -> None:
    """For frame models, which have other methods.

    Raises:
        SettingsError: it is a method of video classifiers alone.
    """
    if name not in METHODS and any(name in methods for methods in CLIP_METHODS.values()):
        raise SettingsError(
            f"method={name!r} is for video classifiers, and this is a frame model; its methods: {', '.join(METHODS)}"
        )


def clip_method_settings(method: ClipMethod) -> dict[str, object]:
    """What a method was built with, for a fingerprint: plain JSON values."""
    settings = {field.name: getattr(method, field.name) for field in fields(method)}  # type: ignore[arg-type]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def _unknown_setting(method: str, key: str, owned: Mapping[str, list[str]]) -> SettingsError:
    if owners := [name for name, keys in owned.items() if key in keys]:
        return SettingsError(
            f"method={method!r} has no setting {key!r}; it belongs to method={' or '.join(map(repr, owners))}"
        )
    every = {setting for keys in owned.values() for setting in keys}
    return unknown_name(f"setting of method={method!r},", key, owned[method] or every)
