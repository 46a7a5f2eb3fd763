"""What a folder's config.json and the caller's `config` state about a model."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidskim.errors import CheckpointError, SettingsError, unknown_name
from vidskim.models.layouts.clip import HF_CLIP
from vidskim.models.layouts.layout import Layout
from vidskim.models.layouts.vit import HF_DINOV2, HF_VIT
from vidskim.video.views import Views

MODEL_TYPES: dict[str, Layout] = {
    "clip": HF_CLIP,
    "clip_vision_model": HF_CLIP,
    "vit": HF_VIT,
    "dinov2": HF_DINOV2,
    "dinov2_with_registers": HF_DINOV2,
}
VIDEO_TYPE = "videomae"
VIEWS_KEY = "vidskim_views"  # of config.json, beside Hugging Face's
OPEN_CLIP_FILE = "open_clip_config.json"
ACTIVATIONS = ("gelu", "quick_gelu")

# ours -> config.json's
_BOTH = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "activation": "hidden_act",
    "eps": "layer_norm_eps",
}
_VISION = {
    **_BOTH,
    "patch": "patch_size",
    "image": "image_size",
    "qkv_bias": "qkv_bias",
    "registers": "num_register_tokens",
}
_VIDEO = {
    **_BOTH,
    "patch": "patch_size",
    "image": "image_size",
    "frames": "num_frames",
    "tubelet": "tubelet_size",
}
_TEXT = {**_BOTH, "context": "max_position_embeddings", "vocabulary": "vocab_size", "end_id": "eos_token_id"}


@dataclass(frozen=True)
class Stated:
    """Fields of `VitConfig`, `VideoVitConfig` and `TextConfig` that were stated, by name; anything may be absent."""

    model_type: str | None = None
    vision: Mapping[str, Any] = field(default_factory=dict)
    text: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None  # of a classifier, by class number
    views: Views | None = None  # of a classifier that we trained


def read_stated(folder: Path) -> Stated:
    """config.json (Hugging Face) or open_clip_config.json of a folder; empty if there is neither.

    Raises:
        CheckpointError: not JSON, a model type that is not supported, or a value out of range.
    """
    if (folder / "config.json").is_file():
        return _read_hugging_face(folder / "config.json")
    if (folder / OPEN_CLIP_FILE).is_file():
        return _read_open_clip(folder / OPEN_CLIP_FILE)
    return Stated()


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object.

    Raises:
        CheckpointError: it is something else.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(record, dict):
        raise CheckpointError(f"{path}: expected a JSON object, received {type(record).__name__}")
    return record


def check_config(config: Mapping[str, object] | None) -> dict[str, Any]:
    """The caller's `config`, every name known and every value in range.

    Raises:
        SettingsError: unknown name, or a value that is not allowed.
    """
    checked: dict[str, Any] = {}
    for name, value in (config or {}).items():
        if name not in CONFIG:
            raise unknown_name("config key", name, CONFIG)
        allowed, check = CONFIG[name]
        if not check(value):
            raise SettingsError(f"config[{name!r}] must be {allowed}, received {value!r}")
        checked[name] = value
    return checked


def _read_hugging_face(path: Path) -> Stated:
    record = read_json(path)
    kind = record.get("model_type")
    if kind is None and "pretrained_cfg" in record:  # a timm folder: its tensors say the rest
        return Stated()
    if kind == VIDEO_TYPE:
        labels, views = _labels(record.get("id2label"), path), _views(record.get(VIEWS_KEY), path)
        return Stated(kind, _take(record, _VIDEO, path), labels=labels, views=views)
    if kind not in MODEL_TYPES:
        supported = ", ".join(sorted({*MODEL_TYPES, VIDEO_TYPE}))
        raise CheckpointError(f"{path}: model_type {kind!r} is not supported; supported: {supported}")
    if record.get("use_swiglu_ffn"):
        raise CheckpointError(f"{path}: SwiGLU blocks (DINOv2 giant) are not supported")
    if kind != "clip":
        vision = _take(record, _VISION, path)
        if kind.startswith("dinov2"):
            vision["hidden"] = int(vision.get("width", 768) * record.get("mlp_ratio", 4))
        return Stated(kind, vision)
    parts = {
        tower: {**(record.get(f"{tower}_config") or {}), **(record.get(f"{tower}_config_dict") or {})}
        for tower in ("vision", "text")
    }
    embed = {"embed": record.get("projection_dim", 512)}
    text = {"end_id": 49407, **_take(parts["text"], _TEXT, path), **embed}
    if text["end_id"] == 2:  # written before the id was corrected; transformers then takes the largest id
        text["end_id"] = None
    return Stated(kind, {**_take(parts["vision"], _VISION, path), **embed}, text)


def _read_open_clip(path: Path) -> Stated:
    """Only what shapes do not say: the activation and the heads."""
    record = read_json(path).get("model_cfg", {})
    activation = {"activation": "quick_gelu" if record.get("quick_gelu") else "gelu"}
    vision = record.get("vision_cfg", {})
    heads = vision.get("width", 768) // vision.get("head_width", 64)
    text = record.get("text_cfg", {})
    return Stated(None, {**activation, "heads": heads}, {**activation, "heads": text.get("heads", 8)})


def _labels(names: object, path: Path) -> tuple[str, ...] | None:
    """{"0": "abseiling", "1": ...} as a row."""
    if names is None:
        return None
    by_number = {str(number): name for number, name in names.items()} if isinstance(names, Mapping) else {}
    wanted = [str(number) for number in range(len(by_number))]
    if not by_number or by_number.keys() != set(wanted):
        raise CheckpointError(
            f"{path}: id2label must name the classes 0, 1, 2 ..., received {str(names)[:80]}"
        )
    return tuple(str(by_number[number]) for number in wanted)


def _views(stated: object, path: Path) -> Views | None:
    if stated is None:
        return None
    try:
        return Views(**stated)  # type: ignore[arg-type]  # checked there
    except (TypeError, SettingsError) as error:
        raise CheckpointError(
            f"{path}: {VIEWS_KEY} must be fields of Views, received {stated!r} ({error})"
        ) from error


def _take(record: Mapping[str, Any], names: Mapping[str, str], path: Path) -> dict[str, Any]:
    if record.get("num_channels", 3) != 3:
        raise CheckpointError(f"{path}: num_channels must be 3, received {record['num_channels']}")
    taken = {}
    for ours, theirs in names.items():
        value = record.get(theirs)
        if value is None:
            continue
        if isinstance(value, list) and len(set(value)) == 1:  # [224, 224]
            value = value[0]
        allowed, check = _STATED[ours]
        if not check(value):
            raise CheckpointError(f"{path}: {theirs} must be {allowed}, received {value!r}")
        taken[ours] = value
    return taken


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_natural(value: object) -> bool:
    return _is_count(value) or (value == 0 and not isinstance(value, bool))


def _is_activation(value: object) -> bool:
    return value in ACTIVATIONS


def _is_eps(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _are_channels(value: object) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(v, float | int) for v in value)
    )


def _are_positive(value: object) -> bool:
    return _are_channels(value) and all(v > 0 for v in value)  # type: ignore[attr-defined]


_Rule = tuple[str, Callable[[object], bool]]
_COUNT: _Rule = ("a whole number above 0", _is_count)
_ACTIVATION: _Rule = (" or ".join(map(repr, ACTIVATIONS)), _is_activation)
_EPS: _Rule = ("a number between 0 and 1", _is_eps)

CONFIG: dict[str, _Rule] = {
    "heads": _COUNT,
    "text_heads": _COUNT,
    "activation": _ACTIVATION,
    "eps": _EPS,
    "image_size": _COUNT,
    "resize": _COUNT,
    "mean": ("three numbers", _are_channels),
    "std": ("three numbers above 0", _are_positive),
}
_STATED: dict[str, _Rule] = {
    **dict.fromkeys(
        (
            *_BOTH.keys() - {"activation", "eps"},
            "patch",
            "image",
            "frames",
            "tubelet",
            "context",
            "vocabulary",
        ),
        _COUNT,
    ),
    "registers": ("a whole number", _is_natural),
    "end_id": ("a token id", _is_natural),
    "activation": _ACTIVATION,
    "eps": _EPS,
    "qkv_bias": ("true or false", _is_bool),
}
