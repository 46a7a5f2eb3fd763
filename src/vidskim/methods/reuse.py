"""`reuse`: dense features without training.

A P-frame recomputes the patches that changed. Every other patch offers the keys and values that the I-frames around it
left behind in each layer, blended by how little it differs from either. Linear layers run on the few tokens only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vidskim.errors import unknown_name
from vidskim.methods.choose import Budget, patch_difference
from vidskim.methods.frames import Anchors, Between, FrameMethod, Layout, Segment, as_index, batches
from vidskim.models.attention import attend
from vidskim.models.cost import vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer, unit

ANCHORS = ("both", "previous")


class Blend(Reduction):
    """Attention of recomputed tokens over all positions: their own keys and values, and the I-frames' elsewhere.

    Args:
        context: the I-frames' keys and values, a [2, a, h, n, k] for each layer.
        previous: rows in `context` of the I-frames before [b].
        following: of those after [b]; read only if `share` is given.
        share: weight of the following I-frame at each position [b, n]; None reads the previous one only.
        positions: where the recomputed tokens stand [b, m].
    """

    def __init__(
        self,
        context: list[Tensor],
        previous: Tensor,
        following: Tensor,
        share: Tensor | None,
        positions: Tensor,
    ) -> None:
        heads, n = context[0].shape[2:4]
        self.context = context
        # frames in whole groups read their I-frames as views, others through a gather
        self.group = group_size(previous)
        self.previous = as_index(previous[:: self.group])
        self.following = as_index(following[:: self.group])
        self.share = None if share is None else share.view(-1, self.group, 1, n, 1)  # group frame h n k
        # rows of the fresh keys in the blended ones seen as [(b h n), k]
        start = torch.arange(len(positions) * heads, device=positions.device) * n
        self.rows = (start.view(-1, heads, 1) + positions[:, None]).flatten()

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v of the recomputed tokens; the answer for them."""
        keys, values = self.context[layer]
        return attend(q, self._blended(keys, k), self._blended(values, v))

    def _blended(self, recorded: Tensor, fresh: Tensor) -> Tensor:
        """[a, h, n, k] of the I-frames and [b, h, m, k] of the recomputed tokens -> [b, h, n, k]."""
        before = recorded[self.previous].unsqueeze(1)  # group frame h n k
        if self.share is None:
            blended = before.repeat_interleave(self.group, dim=1)
        else:
            blended = torch.lerp(before, recorded[self.following].unsqueeze(1), self.share)
        blended = blended.flatten(0, 1)
        c = blended.shape[-1]
        blended.view(-1, c).index_copy_(0, self.rows, fresh.reshape(-1, c))
        return blended


def group_size(previous: Tensor) -> int:
    """Frames that share each I-frame, if all groups of a batch have the same number; else 1."""
    counts = torch.unique_consecutive(previous, return_counts=True)[1]
    return int(counts[0]) if bool((counts == counts[0]).all()) else 1


@dataclass(frozen=True)
class Reuse(FrameMethod):
    """Training-free P-frames.

    Args:
        std: the preparation's standard deviation [3].
        interleave: P-frames for each I-frame, N.
        keep, threshold, select, seed: see `Budget`.
        anchors: "both" blends the I-frames before and after (needs look-ahead of N frames); "previous" reads the one
            before, for streams.
    """

    std: Tensor = field(metadata={"part": True})
    interleave: int = 2
    keep: float = 0.15
    threshold: float | None = None
    select: str = "difference"
    anchors: str = "both"
    seed: int | None = 0
    name = "reuse"
    records = True

    def __post_init__(self) -> None:
        _ = self.budget  # checks the settings it is made of
        if self.anchors not in ANCHORS:
            raise unknown_name("anchors", self.anchors, ANCHORS)

    @property
    def lookahead(self) -> bool:
        """Whether the I-frame after a group is read."""
        return self.anchors == "both"

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
        """Changed patches through the trunk, everything else read from the I-frames."""
        if anchors.context is None:
            raise RuntimeError("reuse needs the I-frames' keys and values")
        grid, prefix, device = trunk.config.grid, trunk.config.prefix, pixels.device
        difference, share = self._difference(pixels, layout, grid)
        kept, counts, scores = self.budget.choose(layout, segments, grid, difference)
        if share is not None:  # prefix tokens are blended by time
            share = torch.cat([layout.share[:, None].expand(-1, prefix), share], dim=1)
        vectors = torch.empty(len(kept), trunk.config.dim, device=device)
        for count in sorted(set(counts.tolist())):
            for rows in batches((counts == count).nonzero()[:, 0], prefix + count, device):
                chosen = kept[rows, :count].to(device)
                front = torch.arange(prefix, device=device).expand(len(rows), -1)
                blend = Blend(
                    anchors.context,
                    layout.previous[rows],
                    layout.following[rows],
                    None if share is None else share[rows].to(device, trunk.dtype),
                    torch.cat([front, chosen + prefix], dim=1),
                )
                vectors[rows] = unit(trunk(trunk.embed(pixels[layout.between[rows]], chosen), blend))
        return Between(vectors, kept, scores)

    def _difference(self, pixels: Tensor, layout: Layout, grid: int) -> tuple[Tensor, Tensor | None]:
        """Change of each patch against its nearest I-frame [p, n], and the following one's weight [p, n]."""
        before = patch_difference(
            pixels, layout.between, layout.anchors[layout.previous], std=self.std, grid=grid
        )
        if not self.lookahead:
            return before, None
        after = patch_difference(
            pixels, layout.between, layout.anchors[layout.following], std=self.std, grid=grid
        )
        tiny = torch.finfo(before.dtype).tiny
        return torch.minimum(before, after), (before + tiny) / (before + after + 2 * tiny)

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, frames: int) -> int:
        """Recomputed tokens through the linear layers; attention reads every position."""
        if kept is None:
            return 0
        context = trunk.config.prefix + trunk.config.patches
        counts = (kept >= 0).sum(dim=1).tolist()
        return sum(vit_macs(trunk.config, kept=count, context=context) for count in counts)
