"""The trunk: a plain pre-norm vision transformer, the same for CLIP, ViT/DeiT and DINOv2."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidskim.errors import SettingsError
from vidskim.models.block import Block
from vidskim.models.linear import Linear
from vidskim.models.reduction import Reduction
from vidskim.models.together import Together
from vidskim.models.variants import VitConfig, resize_positions

FIRST = slice(0, 1)  # the class token


class VisionTransformer(nn.Module):
    """Pixels to one vector an image. Methods act through a `Reduction`; the trunk knows none of them."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.patch = Linear(3 * config.patch**2, d, bias=config.patch_bias)
        self.class_token = nn.Parameter(torch.zeros(d))
        self.registers = nn.Parameter(torch.zeros(config.registers, d))
        # row 0 belongs to the class token, registers have none
        self.positions = nn.Parameter(torch.zeros(1 + config.patches, d))
        self.norm_pre = nn.LayerNorm(d, eps=config.eps) if config.norm_pre else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                width=d,
                heads=config.heads,
                hidden=config.hidden,
                activation=config.activation,
                eps=config.eps,
                qkv_bias=config.qkv_bias,
                layer_scale=config.layer_scale,
            )
            for _ in range(config.layers)
        )
        self.norm_post = nn.LayerNorm(d, eps=config.eps)
        self.projection = Linear(d, config.embed, bias=False) if config.embed else nn.Identity()

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type; activations have the same."""
        return self.class_token.dtype

    def embed(self, pixels: Tensor, kept: Tensor | None = None, *, frames: Tensor | None = None) -> Tensor:
        """Embed all patches, or only the kept ones: dropped patches are never projected.

        Args:
            pixels: prepared images [b, 3, y, x] of the configured side.
            kept: patch numbers [b, k], row-major in the grid, or None for all.
            frames: with `kept`, the images its rows belong to [b], or None for all in order.

        Returns:
            [b, prefix + k, d]: class token, registers, patches; positions added.

        Raises:
            SettingsError: the images have another size.
        """
        side, p, g = self.config.image, self.config.patch, self.config.grid
        if pixels.shape[1:] != (3, side, side):
            raise SettingsError(f"expected pixels [b, 3, {side}, {side}], received {list(pixels.shape)}")
        b = pixels.shape[0]
        patches = pixels.view(b, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5)  # b gy gx 3 p p
        if kept is None:
            flat = patches.reshape(b, g * g, -1)
            positions = self.positions[1:]
        else:
            images = torch.arange(b) if frames is None else frames
            flat = patches[images.to(kept.device)[:, None], kept // g, kept % g].flatten(2)
            positions = self.positions[1:][kept]
        x = self.patch(flat.to(self.dtype)) + positions
        prefix = torch.cat([(self.class_token + self.positions[0])[None], self.registers])
        return torch.cat([prefix.expand(len(x), -1, -1), x], dim=1)

    def resized(self, image: int) -> "VisionTransformer":
        """The same weights for images of another side; all is shared but the position table, resized bicubically.

        Raises:
            SettingsError: the side is not a multiple of the patch side.

        Source: ResidualViT's smaller P-frames.
        """
        if image == self.config.image:
            return self
        other = copy(self)
        other._parameters = dict(self._parameters)  # or its positions would be this one's
        other.config = replace(self.config, image=image)
        table = resize_positions(self.positions, prefix=1, grid=other.config.grid, antialias=True)
        other.positions = nn.Parameter(table, requires_grad=False)
        return other

    def forward(self, x: Tensor, reduction: Reduction | None = None) -> Tensor:
        """Blocks, pooling and projection.

        Args:
            x: embedded tokens [b, n, d] of `embed`.
            reduction: where a method acts; made anew for each call.

        Returns:
            Features [b, dim], not normalised.
        """
        return self.project(self.forward_rows(x, FIRST, reduction or Reduction())[:, 0])

    def forward_rows(self, x: Tensor, rows: slice, reduction: Reduction) -> Tensor:
        """All blocks, the last one for some tokens only: [b, n, d] of `embed` -> [b, rows, d]."""
        x = self.norm_pre(reduction.begin(x))
        *blocks, final = self.blocks
        for layer, block in enumerate(blocks):
            x = block(x, layer=layer, reduction=reduction)
        return cast(Block, final).forward_first(x, rows, layer=len(blocks), reduction=reduction)

    def forward_together(self, parts: Sequence[tuple[Tensor, Reduction]]) -> list[Tensor]:
        """As `forward`, for batches of different lengths in one pass.

        Args:
            parts: embedded tokens [b, n, d] of `embed`, and where a method acts on them.

        Returns:
            Features [b, dim] of each.
        """
        if len(parts) == 1:
            return [self(*parts[0])]
        batches = [reduction.begin(x) for x, reduction in parts]
        together = Together([reduction for _, reduction in parts], batches)
        x = self.norm_pre(torch.cat([batch.flatten(0, 1) for batch in batches])[None])
        *blocks, final = self.blocks
        for layer, block in enumerate(blocks):
            x = block(x, layer=layer, reduction=together)
        first = together.first_rows().to(x.device)
        x = cast(Block, final).forward_first(x, first, layer=len(blocks), reduction=together)
        return list(self.project(x[0]).split_with_sizes([len(batch) for batch in batches]))

    def project(self, pooled: Tensor) -> Tensor:
        """Final norm and projection of class tokens [..., d] -> [..., dim]."""
        out: Tensor = self.projection(self.norm_post(pooled))
        return out


def unit(vectors: Tensor) -> Tensor:
    """L2-normalised float32 rows."""
    return F.normalize(vectors.float(), dim=-1)
