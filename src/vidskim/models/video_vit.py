"""The trunk's blocks on clips: tubelets in, one score a class out. VideoMAE's fine-tuned models."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from vidskim.errors import SettingsError
from vidskim.models.block import Block
from vidskim.models.linear import Linear
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VideoVitConfig


class VideoTransformer(nn.Module):
    """Clips to class scores. Methods act through a `Reduction`, as in `VisionTransformer`."""

    def __init__(self, config: VideoVitConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.patch = Linear(3 * config.tubelet * config.patch**2, d)
        self.blocks = nn.ModuleList(
            Block(
                width=d,
                heads=config.heads,
                hidden=config.hidden,
                activation=config.activation,
                eps=config.eps,
                qkv_bias=config.qkv_bias,
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(d, eps=config.head_eps)
        self.head = Linear(d, config.classes)

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type; activations have the same."""
        return self.patch.weight.dtype

    def embed(self, pixels: Tensor) -> Tensor:
        """Tokens with their positions, time first, then row by row.

        Args:
            pixels: normalised clips [b, 3, t, y, x].

        Returns:
            [b, n, d], n = t / tubelet * y / patch * x / patch.

        Raises:
            SettingsError: clips the model cannot read.
        """
        if pixels.dim() != 5 or pixels.shape[1] != 3 or not pixels.numel():
            raise SettingsError(f"expected pixels [b, 3, t, y, x], received {list(pixels.shape)}")
        t, y, x = pixels.shape[2:]
        gt, gy, gx = self.config.grid(t, y, x)
        b, tubelet, p = len(pixels), self.config.tubelet, self.config.patch
        tubes = pixels.to(self.dtype).reshape(b, 3, gt, tubelet, gy, p, gx, p)
        flat = tubes.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(
            b, gt * gy * gx, -1
        )  # b (gt gy gx) (3 tubelet p p)
        positions = sinusoids(gt * gy * gx, self.config.width).to(flat)
        tokens: Tensor = self.patch(flat)
        return tokens + positions

    def forward(self, x: Tensor, reduction: Reduction | None = None) -> Tensor:
        """Blocks, pooling and head.

        Args:
            x: tokens [b, n, d] of `embed`.
            reduction: where a method acts; made anew for each call.

        Returns:
            Logits [b, classes].
        """
        reduction = reduction or Reduction()
        x = reduction.begin(x)
        for layer, block in enumerate(self.blocks):
            x = block(x, layer=layer, reduction=reduction)
        pooled = x.mean(dim=1) if self.config.pool == "mean" else x[:, 0]
        out: Tensor = self.head(self.norm(pooled))
        return out


@lru_cache(maxsize=4)
def sinusoids(positions: int, width: int) -> Tensor:
    """A fixed table [positions, width], float32: sines in even channels, cosines in odd ones.

    Source: Vaswani et al. 2017, section 3.5; VideoMAE numbers all tokens of a clip in one row.
    """
    with torch.inference_mode(False):  # the table is kept, also for calls that record gradients
        place = torch.arange(positions, dtype=torch.float64)[:, None]
        even = torch.arange(width, dtype=torch.float64) // 2 * 2
        angle = place / 10000 ** (even / width)
        return torch.where(torch.arange(width) % 2 == 0, angle.sin(), angle.cos()).float()
