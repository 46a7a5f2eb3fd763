"""ResidualViT: P-frames keep a few patches and gain one token made from their I-frame's feature.

Source: Soldan et al., ResidualViT, ICCV 2025.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vidskim.methods.frames import Batch, Between
from vidskim.methods.selective import Selective
from vidskim.models.cost import tokenizer_macs, vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer


class ResidualTokenizer(nn.Sequential):
    """Feature [b, dim] -> residual token [b, width]: a linear layer, then depth - 1 times ReLU and a linear layer."""

    def __init__(self, *, dim: int, width: int, depth: int = 1) -> None:
        layers: list[nn.Module] = [nn.Linear(dim, width)]
        for _ in range(depth - 1):
            layers += [nn.ReLU(), nn.Linear(width, width)]
        super().__init__(*layers)
        self.depth = depth


class InsertToken(Reduction):
    """Puts the residual token behind the class token; it has no position."""

    def __init__(self, token: Tensor) -> None:
        self.token = token

    def begin(self, x: Tensor) -> Tensor:
        """[b, n, d] -> [b, 1 + n, d]."""
        return torch.cat([x[:, :1], self.token[:, None], x[:, 1:]], dim=1)


@dataclass(frozen=True, kw_only=True)
class Residual(Selective):
    """The residual token carries what the dropped patches would have said.

    Args:
        tokenizer: distilled for the backbone; turns an I-feature into the residual token. Stays in float32.
        std, interleave, keep, threshold, select, seed: see `Selective`.
    """

    tokenizer: ResidualTokenizer = field(metadata={"part": True})
    name = "residual"

    def encode_between(self, trunk: VisionTransformer, batch: Batch) -> Between:
        """Kept patches and the residual token through the same trunk; the class token's feature, nothing added."""
        layout = batch.layout
        tokens = self.tokenizer(batch.anchors.vectors).to(trunk.dtype)  # one for each I-frame

        def encode(rows: Tensor, chosen: Tensor) -> Tensor:
            x = trunk.embed(batch.pixels, chosen, frames=layout.between[rows])
            out: Tensor = trunk(x, InsertToken(tokens[layout.previous[rows]]))
            return out

        needed = self.budget.needs_difference(batch.segments)
        difference = self.difference(trunk, batch, layout.previous) if needed else None
        return self.encode_chosen(trunk, batch, difference, extra=trunk.config.prefix + 1, encode=encode)

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, groups: int) -> int:
        """Kept patches and the residual token through the trunk, and one residual token a group."""
        if kept is None:
            return 0
        counts = (kept >= 0).sum(dim=1).tolist()
        tokens = groups * tokenizer_macs(trunk.config, self.tokenizer.depth)
        return tokens + sum(vit_macs(trunk.config, kept=count, extra=1) for count in counts)
