"""What tensors tell about the model they belong to: widths, depths, grids."""

import re
from collections.abc import Mapping
from math import isqrt

import torch
from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.models.layouts.layout import Layout, stored_names

# field -> the trunk tensor whose shape tells it
_TOLD_BY = {"layers": "blocks.0.norm1.weight", "hidden": "blocks.0.mlp.fc1.weight"}
VISION_TOLD_BY = {**_TOLD_BY, "width": "class_token", "patch": "patch.weight", "image": "positions"}
TEXT_TOLD_BY = {
    **_TOLD_BY,
    "width": "tokens.weight",
    "vocabulary": "tokens.weight",
    "context": "positions",
    "embed": "projection.weight",
}


def measure_vision(state: Mapping[str, Tensor], layout: Layout) -> dict[str, object]:
    """`VitConfig` fields that shapes and key names give; what cannot be told is left out."""
    names = layout.vision
    shape = {target: _shape(state, names, target) for target in _MEASURED}
    found: dict[str, object] = {
        "norm_pre": "norm_pre.*" in names,
        "patch_bias": "patch.*" in names,
        "layer_scale": "blocks.{n}.scale1" in names,
        "registers": 0,
        "embed": None,
    }
    if token := shape["class_token"]:
        found["width"] = token[-1]
    if patch := shape["patch.weight"]:
        found["patch"] = patch[-1]
    if (table := shape["positions"]) and patch:
        found["image"] = _grid(table[-2]) * patch[-1]
    if fc1 := shape["blocks.0.mlp.fc1.weight"]:
        found["hidden"] = fc1[0]
    if registers := shape["registers"]:
        found["registers"] = registers[-2]
    if projection := shape["projection.weight"]:
        found["embed"] = projection[1 if "projection.weight" in layout.transposed else 0]
    if shape["blocks.0.attention.qkv.weight"]:
        found["qkv_bias"] = bool(shape["blocks.0.attention.qkv.bias"])
    if layers := count_blocks(state, names):
        found["layers"] = layers
    return found


def measure_text(state: Mapping[str, Tensor], layout: Layout) -> dict[str, object]:
    """`TextConfig` fields that shapes give."""
    names = layout.text
    found: dict[str, object] = {}
    if not names:
        return found
    if tokens := _shape(state, names, "tokens.weight"):
        found["vocabulary"], found["width"] = tokens
    if positions := _shape(state, names, "positions"):
        found["context"] = positions[-2]
    if fc1 := _shape(state, names, "blocks.0.mlp.fc1.weight"):
        found["hidden"] = fc1[0]
    if projection := _shape(state, names, "projection.weight"):
        found["embed"] = projection[1 if "projection.weight" in layout.transposed else 0]
    if layers := count_blocks(state, names):
        found["layers"] = layers
    return found


def measure_video(state: Mapping[str, Tensor], layout: Layout) -> dict[str, int | bool]:
    """`VideoVitConfig` fields that shapes give; what cannot be told is left out."""
    names = layout.vision
    found: dict[str, int | bool] = {}
    if patch := _shape(state, names, "patch.weight"):
        found["width"], found["tubelet"], found["patch"] = patch[0], patch[2], patch[-1]
    if fc1 := _shape(state, names, "blocks.0.mlp.fc1.weight"):
        found["hidden"] = fc1[0]
    if head := _shape(state, names, "head.weight"):
        found["classes"] = head[0]
    if layers := count_blocks(state, names):
        found["layers"] = layers
    return {**found, "qkv_bias": bool(_shape(state, names, "blocks.0.attention.qkv.bias"))}


def reads_video(state: Mapping[str, Tensor]) -> bool:
    """Whether patches are cut out of clips, not of images: their projection is a convolution over time too."""
    ends = ("patch_embed.proj.weight", "patch_embeddings.projection.weight")
    return any(name.endswith(ends) and value.dim() == 5 for name, value in state.items())


def count_blocks(
    state: Mapping[str, Tensor], names: Mapping[str, str | tuple[str, ...]], *, under: str = ""
) -> int:
    """One more than the largest block number, of those `under` a prefix of the trunk's names."""
    stored = names[under + "blocks.{n}.norm1.*"]
    assert isinstance(stored, str)
    stem = re.escape(stored.split("{n}")[0]) + r"(\d+)\."
    return max((int(match[1]) + 1 for name in state if (match := re.match(stem, name))), default=0)


def complete_positions(state: dict[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """A table for patches only gains a row of zeros for the class token (timm's DINOv2 with registers)."""
    (name,) = stored_names(layout.vision, "positions")
    table = state.get(name)
    if table is None or table.dim() < 2 or not _is_square(table.shape[-2]):
        return state
    return {**state, name: torch.cat([torch.zeros_like(table[..., :1, :]), table], dim=-2)}


_MEASURED = (
    "class_token",
    "patch.weight",
    "positions",
    "registers",
    "projection.weight",
    "blocks.0.mlp.fc1.weight",
    "blocks.0.attention.qkv.weight",
    "blocks.0.attention.qkv.bias",
)


def _shape(
    state: Mapping[str, Tensor], names: Mapping[str, str | tuple[str, ...]], target: str
) -> torch.Size | None:
    stored = stored_names(names, target)
    return state[stored[0]].shape if stored and stored[0] in state else None


def _is_square(number: int) -> bool:
    return isqrt(number) ** 2 == number


def _grid(rows: int) -> int:
    """Patches along one side of a position table with `rows` rows, the class token's counted or not."""
    for patches in (rows - 1, rows):
        if patches > 0 and _is_square(patches):
            return isqrt(patches)
    raise CheckpointError(f"a position table with {rows} rows is not of a square image with one class token")
