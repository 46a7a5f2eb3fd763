"""`reuse`: dense features without training.

A P-frame recomputes the patches that changed. Every other patch offers the keys and values that the I-frames around it
left behind in each layer, blended by how little it differs from either. Linear layers run on the few tokens only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vidskim.errors import unknown_name
from vidskim.methods.frames import Batch, Between, as_index
from vidskim.methods.selective import Selective
from vidskim.models.attention import attend
from vidskim.models.cost import vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer

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


@dataclass(frozen=True, kw_only=True)
class Reuse(Selective):
    """Training-free P-frames.

    Args:
        anchors: "both" blends the I-frames before and after (needs look-ahead of N frames); "previous" reads the one
            before, for streams.
        std, interleave, keep, threshold, select, seed: see `Selective`.
    """

    anchors: str = "both"
    select: str = "difference"
    name = "reuse"
    records = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchors not in ANCHORS:
            raise unknown_name("anchors", self.anchors, ANCHORS)

    @property
    def lookahead(self) -> bool:
        """Whether the I-frame after a group is read."""
        return self.anchors == "both"

    def encode_between(self, trunk: VisionTransformer, batch: Batch) -> Between:
        """Changed patches through the trunk, everything else read from the I-frames."""
        context = batch.anchors.context
        if context is None:
            raise RuntimeError("reuse needs the I-frames' keys and values")
        layout, prefix, device = batch.layout, trunk.config.prefix, batch.pixels.device
        difference, share = self._difference(trunk, batch)
        if share is not None:  # prefix tokens are blended by time
            share = torch.cat([layout.share[:, None].expand(-1, prefix), share], dim=1).to(
                device, trunk.dtype
            )

        def encode(rows: Tensor, chosen: Tensor) -> Tensor:
            front = torch.arange(prefix, device=device).expand(len(rows), -1)
            positions = torch.cat([front, chosen + prefix], dim=1)
            mine = None if share is None else share[rows]
            blend = Blend(context, layout.previous[rows], layout.following[rows], mine, positions)
            out: Tensor = trunk(trunk.embed(batch.pixels, chosen, frames=layout.between[rows]), blend)
            return out

        return self.encode_chosen(trunk, batch, difference, extra=prefix, encode=encode)

    def _difference(self, trunk: VisionTransformer, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Change of each patch against its nearest I-frame [p, n], and the following one's weight [p, n]."""
        if not self.lookahead:
            needed = self.budget.needs_difference(batch.segments)
            return (self.difference(trunk, batch, batch.layout.previous) if needed else None), None
        before = self.difference(trunk, batch, batch.layout.previous)
        after = self.difference(trunk, batch, batch.layout.following)
        tiny = torch.finfo(before.dtype).tiny
        return torch.minimum(before, after), (before + tiny) / (before + after + 2 * tiny)

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, groups: int) -> int:
        """Recomputed tokens through the linear layers; attention reads every position."""
        if kept is None:
            return 0
        context = trunk.config.prefix + trunk.config.patches
        counts = (kept >= 0).sum(dim=1).tolist()
        return sum(vit_macs(trunk.config, kept=count, context=context) for count in counts)
