"""Everything known about a checkpoint, from tensors, config.json and the caller, joined into one configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.layouts.clip import OPENAI
from vidskim.models.layouts.layout import Layout, stored_names
from vidskim.models.layouts.measure import TEXT_TOLD_BY, VISION_TOLD_BY
from vidskim.models.layouts.stated import Stated
from vidskim.models.variants import TextConfig, VitConfig
from vidskim.video.prepare import Preparation


def configure_vision(
    measured: dict[str, object], layout: Layout, stated: Stated, settings: Mapping[str, Any], path: Path
) -> VitConfig:
    given = {name: settings[name] for name in ("heads", "activation", "eps") if name in settings}
    facts: dict[str, Any] = {**measured, **layout.defaults, **stated.vision, **given}
    if layout is OPENAI and facts["embed"] is None:
        del facts["embed"]
    _require(
        facts,
        {**VISION_TOLD_BY, **({"embed": "projection.weight"} if layout is OPENAI else {})},
        layout.vision,
        path,
    )
    facts = _with_heads(facts, "heads", settings, path)
    if facts["image"] % facts["patch"]:
        raise CheckpointError(
            f"{path}: image side {facts['image']} is not a multiple of the patch side {facts['patch']}"
        )
    return VitConfig(**facts)


def configure_text(
    measured: dict[str, object], layout: Layout, stated: Stated, settings: Mapping[str, Any], path: Path
) -> TextConfig | None:
    if not measured and not stated.text:
        return None
    given = {name: settings[name] for name in ("activation", "eps") if name in settings}
    if "text_heads" in settings:
        given["heads"] = settings["text_heads"]
    facts: dict[str, Any] = {"end_id": None, **measured, **layout.defaults, **stated.text, **given}
    _require(facts, TEXT_TOLD_BY, layout.text, path)
    return TextConfig(**_with_heads(facts, "text_heads", settings, path))


def record_config(vision: VitConfig, text: TextConfig | None, preparation: Preparation) -> dict[str, object]:
    """What a model is beside its weights, as plain JSON values; names as the caller's `config` has them."""
    return {
        "heads": vision.heads,
        "activation": vision.activation,
        "eps": vision.eps,
        "text_heads": text and text.heads,
        "text_activation": text and text.activation,
        "text_eps": text and text.eps,
        "image_size": preparation.size,
        "resize": preparation.resize,
        "mean": list(preparation.mean),
        "std": list(preparation.std),
        "interpolation": preparation.interpolation,
    }


def _require(
    facts: Mapping[str, Any],
    told_by: Mapping[str, str],
    names: Mapping[str, str | tuple[str, ...]],
    path: Path,
) -> None:
    unknown = {
        field: stored_names(names, target)[0] for field, target in told_by.items() if field not in facts
    }
    if unknown:
        keys = ", ".join(sorted(set(unknown.values())))
        raise CheckpointError(f"{path}: missing {keys}; without them {', '.join(unknown)} cannot be told")


def _with_heads(facts: dict[str, Any], key: str, settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Heads of 64 channels, which every published model of these families has, unless stated."""
    width, heads = facts["width"], facts.get("heads")
    if heads is None and width % 64:
        raise CheckpointError(
            f"{path}: weights of width {width} do not tell the number of heads; pass config={{{key!r}: ...}}"
        )
    heads = heads or width // 64
    if width % heads:
        error = SettingsError if key in settings else CheckpointError
        raise error(f"{path}: {key} must divide the width {width}, received {heads}")
    return {**facts, "heads": heads}
