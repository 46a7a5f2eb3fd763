"""ResidualViT: P-frames keep a few patches and gain one token made from their I-frame's feature.

Source: Soldan et al., ResidualViT, ICCV 2025.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vidskim.methods.choose import Budget, patch_difference
from vidskim.methods.frames import Anchors, Between, FrameMethod, Layout, Segment, batches
from vidskim.models.cost import tokenizer_macs, vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer, unit


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


@dataclass(frozen=True)
class Residual(FrameMethod):
    """The residual token carries what the dropped patches would have said.

    Args:
        tokenizer: distilled for the backbone; turns an I-feature into the residual token. Stays in float32.
        std: the preparation's standard deviation [3].
        interleave: P-frames for each I-frame, N.
        keep, threshold, select, seed: see `Budget`.
    """

    tokenizer: ResidualTokenizer = field(metadata={"part": True})
    std: Tensor = field(metadata={"part": True})
    interleave: int = 2
    keep: float = 0.15
    threshold: float | None = None
    select: str = "auto"
    seed: int | None = 0
    name = "residual"

    def __post_init__(self) -> None:
        _ = self.budget  # checks the settings it is made of

    @property
    def needs_motion(self) -> bool:
        """Whether codec motion is of use."""
        return self.select == "motion"

    @property
    def budget(self) -> Budget:
        """How patches are chosen."""
        return Budget(self.select, self.keep, self.threshold, self.seed)

    def encode_between(
        self,
        trunk: VisionTransformer,
        pixels: Tensor,
        layout: Layout,
        anchors: Anchors,
        segments: Sequence[Segment],
    ) -> Between:
        """Kept patches and the residual token through the same trunk; the class token's feature, nothing added."""
        grid = trunk.config.grid
        difference = None
        if self.budget.needs_difference(segments):
            others = layout.anchors[layout.previous]
            difference = patch_difference(pixels, layout.between, others, std=self.std, grid=grid)
        kept, counts, scores = self.budget.choose(layout, segments, grid, difference)
        vectors = torch.empty(len(kept), trunk.config.dim, device=pixels.device)
        for count in sorted(set(counts.tolist())):
            tokens = trunk.config.prefix + 1 + count
            for rows in batches((counts == count).nonzero()[:, 0], tokens, pixels.device):
                x = trunk.embed(pixels[layout.between[rows]], kept[rows, :count].to(pixels.device))
                token = self.tokenizer(anchors.vectors[layout.previous[rows]]).to(trunk.dtype)
                vectors[rows] = unit(trunk(x, InsertToken(token)))
        return Between(vectors, kept, scores)

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, frames: int) -> int:
        """Kept patches and the residual token through the trunk, and one token an I-frame's feature a P-frame."""
        if kept is None:
            return 0
        token = tokenizer_macs(trunk.config, self.tokenizer.depth)
        counts = (kept >= 0).sum(dim=1).tolist()
        return sum(vit_macs(trunk.config, kept=count, extra=1) + token for count in counts)
