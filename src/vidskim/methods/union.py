"""Attention of a P-frame: its own recomputed tokens, and beside them everything the I-frames around it left."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vidskim.methods.condense import Condense
from vidskim.methods.context import Context


class Union(Condense):
    """Recomputed tokens read their own keys and values and those of the I-frames, weighted.

    A patch that is not recomputed has a weight of 1, divided between the I-frames; one that is has none. A recorded
    token weighs as much as the patches it stands for, by the logarithm of that added to its logits. So attention is
    that of a frame in which each patch is there once, and nothing is averaged before it is compared.

    Args:
        context: the I-frames'.
        anchors: rows of the I-frames each P-frame reads, int64 [b] for each.
        weights: of each first token in each of them [b, n]; 0 where it is recomputed.
        counts: of the recomputed tokens, how many are merged in each block.
        protected: leading tokens that stay.
    """

    def __init__(
        self,
        context: Context,
        anchors: Sequence[Tensor],
        weights: Sequence[Tensor],
        counts: Sequence[int],
        *,
        protected: int,
    ) -> None:
        super().__init__(counts, protected=protected)
        self.context, self.anchors, self.weights = context, anchors, weights

    def read(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The I-frames' keys and values, then the tokens' own."""
        recorded = self.context.layers[layer]
        parts = [recorded[:, rows] for rows in self.anchors]
        weights = [
            weight.new_zeros(len(rows), recorded.shape[3]).scatter_add_(
                1, self.context.slots[rows, layer], weight
            )
            for rows, weight in zip(self.anchors, self.weights, strict=True)
        ]
        own = torch.ones(len(k), k.shape[2], device=k.device) if self.size is None else self.size
        bias = torch.cat([*weights, own], dim=1).log()[:, None, None].to(k.dtype)
        keys = torch.cat([*(part[0] for part in parts), k], dim=2)
        values = torch.cat([*(part[1] for part in parts), v], dim=2)
        return keys, values, bias
