"""Video Swin: attention within three-dimensional windows that move by half from block to block, in four stages.

Blocks take tokens and the `Windows` they lie in, so the same block serves whole maps and what pruning leaves of them.

Source: Liu et al., Video Swin Transformer, CVPR 2022.
"""

from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidskim.errors import SettingsError
from vidskim.models.attention import Attention, attend
from vidskim.models.block import Mlp
from vidskim.models.linear import Linear
from vidskim.models.swin_variants import Size, SwinConfig
from vidskim.models.window import Group, Windows, dense_windows


class WindowAttention(Attention):
    """Attention within windows, with a learned bias for each head and difference of places."""

    def __init__(self, *, width: int, heads: int, window: Size) -> None:
        super().__init__(width=width, heads=heads)
        self.bias_table = nn.Parameter(torch.zeros(prod(2 * w - 1 for w in window), heads))

    def forward(self, x: Tensor, windows: Windows) -> Tensor:
        """Tokens [b, n, d] -> [b, n, d]."""
        b, n, d = x.shape
        qkv = self.qkv(x).view(b * n, 3 * d)
        if windows.has_padding:  # the published models pad with zeros after the norm, and do not mask them
            qkv = torch.cat([qkv, self.qkv.bias[None]])
        attended = torch.cat([self._attend(qkv, group) for group in windows.groups])
        out: Tensor = self.out(attended[windows.places].view(b, n, d))
        return out

    def _attend(self, qkv: Tensor, group: Group) -> Tensor:
        """Projected tokens [tokens, 3 d] -> what those of each window attend to, [w * m, d]."""
        w, m = group.rows.shape
        # (w m) (3 h k) -> 3 w h m k
        q, k, v = qkv[group.rows.flatten()].view(w, m, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = F.embedding(group.relative, self.bias_table).movedim(-1, -3)
        bias = bias if bias.dim() == 4 else bias[None]
        if group.alive is not None:
            # finite, so that a window without tokens gives no NaN
            bias = bias.masked_fill(~group.alive[:, None, None], torch.finfo(bias.dtype).min)
        return attend(q, k, v, bias=bias).transpose(1, 2).reshape(w * m, self.width)


class SwinBlock(nn.Module):
    """x + attention(norm1 x), then x + mlp(norm2 x)."""

    def __init__(self, config: SwinConfig, *, stage: int) -> None:
        super().__init__()
        width = config.stage_width(stage)
        self.norm1 = nn.LayerNorm(width, eps=config.eps)
        self.attention = WindowAttention(width=width, heads=config.heads[stage], window=config.window)
        self.norm2 = nn.LayerNorm(width, eps=config.eps)
        self.mlp = Mlp(width=width, hidden=config.expansion * width, activation="gelu")

    def forward(self, x: Tensor, windows: Windows) -> Tensor:
        """Tokens [b, n, d] -> [b, n, d]."""
        x = x + self.attention(self.norm1(x), windows)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchMerging(nn.Module):
    """Two by two tokens of one slice become one of twice the width."""

    def __init__(self, width: int, *, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width, eps=eps)
        self.reduction = Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [..., y, x, d] -> [..., y / 2, x / 2, 2 d], odd ones padded with zeros."""
        *_, rows, columns, _ = x.shape
        if rows % 2 or columns % 2:
            x = F.pad(x, (0, 0, 0, columns % 2, 0, rows % 2))
        quads = [x[..., 0::2, 0::2, :], x[..., 1::2, 0::2, :], x[..., 0::2, 1::2, :], x[..., 1::2, 1::2, :]]
        out: Tensor = self.reduction(self.norm(torch.cat(quads, dim=-1)))
        return out


class Stage(nn.Module):
    """Blocks of one width, and after all stages but the last a merging."""

    def __init__(self, config: SwinConfig, *, stage: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(config, stage=stage) for _ in range(config.depths[stage]))
        last = stage == len(config.depths) - 1
        self.merge = nn.Identity() if last else PatchMerging(config.stage_width(stage), eps=config.eps)

    def forward(self, x: Tensor, windows: tuple[Windows, Windows]) -> Tensor:
        """The blocks alone: tokens [b, n, d] -> [b, n, d].

        Args:
            x: tokens.
            windows: plain ones for even blocks, shifted ones for odd blocks.
        """
        for number, block in enumerate(self.blocks):
            x = block(x, windows[number % 2])
        return x


class VideoSwin(nn.Module):
    """Clips of any size to logits, or to features where there is no head."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.config = config
        self.patch = nn.Conv3d(3, config.width, config.patch, stride=config.patch)
        self.patch_norm = nn.LayerNorm(config.width, eps=config.eps)
        self.stages = nn.ModuleList(Stage(config, stage=stage) for stage in range(len(config.depths)))
        self.norm = nn.LayerNorm(config.dim, eps=config.eps)
        self.head = Linear(config.dim, config.classes) if config.classes else nn.Identity()

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type; activations have the same."""
        return self.patch_norm.weight.dtype

    def embed(self, pixels: Tensor) -> Tensor:
        """Prepared clips to maps of tokens, zeros where a clip does not fill its last patches.

        Args:
            pixels: [b, 3, frames, y, x].

        Returns:
            [b, t, gy, gx, d].

        Raises:
            SettingsError: the clips have another shape, or nothing in them.
        """
        if pixels.dim() != 5 or pixels.shape[1] != 3 or not pixels.numel():
            raise SettingsError(f"expected pixels [b, 3, frames, y, x], received {list(pixels.shape)}")
        missing = [-length % patch for length, patch in zip(pixels.shape[2:], self.config.patch, strict=True)]
        if any(missing):
            pixels = F.pad(pixels, (0, missing[2], 0, missing[1], 0, missing[0]))
        x: Tensor = self.patch_norm(self.patch(pixels.to(self.dtype)).permute(0, 2, 3, 4, 1))
        return x

    def run_stage(self, number: int, x: Tensor) -> Tensor:
        """The blocks of one stage on whole maps: [b, t, y, x, d] -> [b, t, y, x, d]."""
        b, t, rows, columns, _ = x.shape
        plain, shifted = (
            dense_windows((t, rows, columns), self.config.window, shifted=shifted, batch=b, device=x.device)
            for shifted in (False, True)
        )
        out: Tensor = self.stages[number](x.flatten(1, 3), (plain, shifted))
        return out.view_as(x)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits [b, classes] of prepared clips [b, 3, frames, y, x]; features [b, dim] without a head."""
        x = self.embed(pixels)
        for number, stage in enumerate(self.stages):
            x = cast(Stage, stage).merge(self.run_stage(number, x))
        return self.pool(x.flatten(1, 3))

    def pool(self, x: Tensor) -> Tensor:
        """Final norm, mean over the tokens and head: [b, n, d] -> [b, classes]."""
        out: Tensor = self.head(self.norm(x).mean(dim=1))
        return out
