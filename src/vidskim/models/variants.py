"""Transformers as records of numbers, and rewrites of weights that leave the function unchanged."""

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.errors import SettingsError, unknown_name


@dataclass(frozen=True)
class VitConfig:
    """Everything `VisionTransformer` needs to be built.

    Args:
        width: token width d.
        layers: number of blocks.
        heads: attention heads; divides `width`.
        patch: side of a square patch in pixels.
        image: side of the square input in pixels; a multiple of `patch`.
        hidden: width of the MLP's hidden layer.
        activation: "gelu" (erf), "quick_gelu", or "silu" (a folded quick_gelu).
        eps: LayerNorm's epsilon.
        embed: width of the final projection, or None where the normed class token is the feature (ViT, DINOv2).
        registers: register tokens after the class token (DINOv2).
        norm_pre: LayerNorm before the first block (CLIP).
        patch_bias: bias in the patch projection (everything but CLIP).
        qkv_bias: bias in the q, k, v projections.
        layer_scale: learned per-channel scales on both branches (DINOv2).
    """

    width: int
    layers: int
    heads: int
    patch: int
    image: int
    hidden: int
    activation: str
    eps: float
    embed: int | None = None
    registers: int = 0
    norm_pre: bool = False
    patch_bias: bool = True
    qkv_bias: bool = True
    layer_scale: bool = False

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise SettingsError(f"width {self.width} is not divisible by {self.heads} heads")
        if self.image % self.patch:
            raise SettingsError(f"image side {self.image} is not a multiple of the patch side {self.patch}")

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image // self.patch

    @property
    def patches(self) -> int:
        """Patches of one image."""
        return self.grid**2

    @property
    def prefix(self) -> int:
        """Tokens before the patches: class token and registers."""
        return 1 + self.registers

    @property
    def dim(self) -> int:
        """Width of a feature vector."""
        return self.embed or self.width


@dataclass(frozen=True)
class TextConfig:
    """Everything `TextTransformer` needs to be built.

    Args:
        width: token width d.
        layers: number of blocks.
        heads: attention heads; divides `width`.
        hidden: width of the MLP's hidden layer.
        context: longest sequence in tokens.
        vocabulary: number of token ids.
        embed: width of the final projection.
        activation: as in `VitConfig`.
        eps: LayerNorm's epsilon.
        end_id: the token whose last-layer state is the text's vector; None takes the largest id of each row, which is
            what OpenAI's CLIP does.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    context: int
    vocabulary: int
    embed: int
    activation: str
    eps: float
    end_id: int | None = None


@dataclass(frozen=True)
class VideoVitConfig:
    """Everything `VideoTransformer` needs to be built.

    Args:
        width: token width d.
        layers: number of blocks.
        heads: attention heads; divides `width`.
        patch: side of a square patch in pixels.
        tubelet: frames that one token spans.
        frames: frames of a clip; a multiple of `tubelet`. Others can be run, the position table is a formula.
        image: side of the square input in pixels, a multiple of `patch`; None where the checkpoint does not say.
        hidden: width of the MLP's hidden layer.
        classes: outputs of the head.
        activation: as in `VitConfig`.
        eps: LayerNorm's epsilon in the blocks.
        head_eps: the same of the norm before the head.
        qkv_bias: biases of queries and values; keys have none.
        pool: what the head reads: "mean", the normed mean of all tokens, or "first", the normed first token.
    """

    width: int
    layers: int
    heads: int
    patch: int
    tubelet: int
    frames: int
    image: int | None
    hidden: int
    classes: int
    activation: str
    eps: float
    head_eps: float
    qkv_bias: bool = True
    pool: Literal["mean", "first"] = "mean"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise SettingsError(f"width {self.width} is not divisible by {self.heads} heads")
        if self.image is not None and self.image % self.patch:
            raise SettingsError(f"image side {self.image} is not a multiple of the patch side {self.patch}")
        if self.frames % self.tubelet:
            raise SettingsError(f"{self.frames} frames are not a multiple of the tubelet's {self.tubelet}")

    def grid(self, t: int, y: int, x: int) -> tuple[int, int, int]:
        """Tokens along time, height and width of a clip of t frames, y by x pixels.

        Raises:
            SettingsError: the model cannot read such clips.
        """
        side, p = self.image, self.patch
        if (side and (y, x) != (side, side)) or y % p or x % p:
            sides = f"of {side} x {side} pixels" if side else f"whose sides are multiples of {p} pixels"
            raise SettingsError(f"this model reads clips {sides}, received {y} x {x}")
        if t % self.tubelet:
            raise SettingsError(
                f"a token spans {self.tubelet} frames, so a clip has a multiple of that; received {t} frames"
            )
        return t // self.tubelet, y // p, x // p


Config = TypeVar("Config", VitConfig, TextConfig)


def clip_vit(name: str) -> VitConfig:
    """The vision tower of an OpenAI CLIP by its size, "B/32", "B/16", "L/14" or "L/14@336".

    Raises:
        SettingsError: no such size.

    Source: Radford et al. 2021, table 20.
    """
    sizes = {
        "B/32": (768, 12, 32, 224, 512),
        "B/16": (768, 12, 16, 224, 512),
        "L/14": (1024, 24, 14, 224, 768),
        "L/14@336": (1024, 24, 14, 336, 768),
    }
    if name not in sizes:
        raise unknown_name("CLIP size", name, sizes)
    width, layers, patch, image, embed = sizes[name]
    return VitConfig(
        width=width,
        layers=layers,
        heads=width // 64,
        patch=patch,
        image=image,
        hidden=4 * width,
        activation="quick_gelu",
        eps=1e-5,
        embed=embed,
        norm_pre=True,
        patch_bias=False,
    )


# VideoMAE's sizes: width, layers, heads
VIDEOMAE_SIZES = {"S": (384, 12, 6), "B": (768, 12, 12), "L": (1024, 24, 16), "H": (1280, 32, 16)}


def videomae_vit(name: str, *, classes: int = 400) -> VideoVitConfig:
    """A fine-tuned VideoMAE by its size, "S", "B", "L" or "H": 16 frames of 224 pixels.

    Raises:
        SettingsError: no such size.

    Source: Tong et al., VideoMAE, NeurIPS 2022.
    """
    if name not in VIDEOMAE_SIZES:
        raise unknown_name("VideoMAE size", name, VIDEOMAE_SIZES)
    width, layers, heads = VIDEOMAE_SIZES[name]
    return VideoVitConfig(
        width=width,
        layers=layers,
        heads=heads,
        patch=16,
        tubelet=2,
        frames=16,
        image=224,
        hidden=4 * width,
        classes=classes,
        activation="gelu",
        eps=1e-6,
        head_eps=1e-6,
    )


def resize_positions(table: Tensor, *, prefix: int, grid: int, antialias: bool = False) -> Tensor:
    """A position table for another grid: prefix rows kept, patch rows interpolated bicubically.

    Args:
        table: [prefix + g * g, d].
        prefix: leading rows that belong to no patch.
        grid: patches along one side of the new grid.
        antialias: low-pass when shrinking, as ResidualViT does; transformers does not.

    Returns:
        [prefix + grid * grid, d], the input itself if the grid is already that.
    """
    old = round((table.shape[0] - prefix) ** 0.5)
    if old == grid:
        return table
    patches = table[prefix:].float().view(1, old, old, -1).permute(0, 3, 1, 2)  # 1 d gy gx
    patches = F.interpolate(
        patches, size=(grid, grid), mode="bicubic", align_corners=False, antialias=antialias
    )
    return torch.cat([table[:prefix], patches.flatten(2)[0].T.to(table.dtype)])


def fold_quick_gelu(config: Config, state: dict[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    """The same function with x * sigmoid(a x) written as silu(a x) / a, the constants folded into the MLP weights.

    One fused pass over the largest activation instead of three. For inference; training keeps the published form.
    """
    if config.activation != "quick_gelu":
        return config, state
    folded = dict(state)
    for name, value in state.items():
        exact = torch.promote_types(value.dtype, torch.float32)  # rounding 16-bit weights twice would show
        if ".mlp.fc1." in name:
            folded[name] = (value.double() * 1.702).to(exact)
        elif name.endswith(".mlp.fc2.weight"):
            folded[name] = (value.double() / 1.702).to(exact)
    return replace(config, activation="silu"), folded
