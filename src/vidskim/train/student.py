"""The student of a distillation: a frozen vision tower, and the residual tokenizer that learns."""

import torch
from torch import Tensor, nn

from vidskim.methods.residual import InsertToken, ResidualTokenizer
from vidskim.models.vit import VisionTransformer, unit
from vidskim.video.prepare import Preparation


class Student(nn.Module):
    """P-frames through the frozen tower, with the token of their I-frame.

    Args:
        trunk: the backbone; teacher and student share it.
        depth: linear layers of the tokenizer.
        preparation: its mean and std are those of the pixels.
        seed: of the tokenizer's first weights.
    """

    def __init__(self, trunk: VisionTransformer, *, depth: int, preparation: Preparation, seed: int) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.tokenizer = ResidualTokenizer(dim=trunk.config.dim, width=trunk.config.width, depth=depth)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(preparation.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(preparation.std)[:, None, None], persistent=False)

    def forward(self, frames: Tensor, kept: Tensor, anchors: Tensor) -> Tensor:
        """Unit vectors of P-frames.

        Args:
            frames: uint8 [b, n, y, x, 3].
            kept: patches [b, n, k]; no other one is projected.
            anchors: unit vectors of the groups' I-frames [b, d].

        Returns:
            [b, n, d].
        """
        return self.encode_between(self._normalise(frames), kept, anchors)

    def encode_between(self, pixels: Tensor, kept: Tensor, anchors: Tensor) -> Tensor:
        """As `forward`, from normalised pixels [b n, 3, y, x]."""
        b, n = kept.shape[:2]
        tokens = self.tokenizer(anchors).repeat_interleave(n, dim=0)
        x = self.trunk.embed(pixels, kept.flatten(0, 1))
        return unit(self.trunk(x, InsertToken(tokens.to(x.dtype)))).view(b, n, -1)

    @torch.no_grad()
    def encode_full(self, frames: Tensor) -> Tensor:
        """The teacher: all patches of all frames, uint8 [b, t, y, x, 3] -> unit vectors [b, t, d]."""
        b, t = frames.shape[:2]
        return unit(self.trunk(self.trunk.embed(self._normalise(frames)))).view(b, t, -1)

    def _normalise(self, frames: Tensor) -> Tensor:
        """uint8 [b, n, y, x, 3] -> float32 [b n, 3, y, x]."""
        pixels = frames.flatten(0, 1).permute(0, 3, 1, 2).contiguous()
        return (pixels.float() / 255 - self.mean) / self.std
