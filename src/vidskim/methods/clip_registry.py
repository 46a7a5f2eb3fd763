"""Methods of video classifiers by name, built from settings that are checked."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.clips import ClipMethod
from vidskim.methods.registry import METHODS
from vidskim.methods.sta import Sta

CLIP_METHODS: dict[str, type[ClipMethod]] = {method.name: method for method in (ClipMethod, Sta)}


def make_clip_method(name: str, settings: Mapping[str, Any]) -> ClipMethod:
    """A clip method from its name and settings; what is missing takes its default, a list is taken for a tuple.

    Raises:
        SettingsError: unknown method or setting, or a value out of range.
    """
    if name not in CLIP_METHODS and name in METHODS:
        raise SettingsError(
            f"method={name!r} encodes frames, and this is a video classifier; its methods: {', '.join(CLIP_METHODS)}"
        )
    if name not in CLIP_METHODS:
        raise unknown_name("method of a video classifier,", name, CLIP_METHODS)
    for key in settings:
        _check_setting(name, key)
    exact = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    return CLIP_METHODS[name](**exact)


def clip_method_settings(method: ClipMethod) -> dict[str, object]:
    """What a method was built with, for a fingerprint."""
    return asdict(method)


def _check_setting(method: str, key: str) -> None:
    owners = {name: [field.name for field in fields(kind)] for name, kind in CLIP_METHODS.items()}
    if key in owners[method]:
        return
    if having := [name for name in owners if key in owners[name]]:
        raise SettingsError(
            f"method={method!r} has no setting {key!r}; it belongs to method={' or '.join(map(repr, having))}"
        )
    every = {setting for names in owners.values() for setting in names}
    raise unknown_name(f"setting of method={method!r},", key, owners[method] or every)
