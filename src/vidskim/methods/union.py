"""Attention of a P-frame: its own recomputed tokens, and beside them everything the I-frames around it left."""

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from vidskim.methods.context import Context
from vidskim.models.attention import LOGITS_BYTES, attend, prefers_products
from vidskim.models.reduction import Reduction

# Keys of one I-frame and block: larger ones are read where they lie, smaller ones cost less to gather than to visit.
GATHERED_BYTES = 1 << 17


class Union(Reduction):
    """Recomputed tokens read their own keys and values and those of the I-frames, weighted.

    A patch that is not recomputed has a weight of 1, divided between the I-frames; one that is has none. A recorded
    token weighs as much as the patches it stands for, by the logarithm of that added to its logits. So attention is
    that of a frame in which each patch is there once, and nothing is averaged before it is compared.

    Args:
        context: the I-frames'.
        anchors: rows of the I-frames each P-frame reads, int64 [b] for each.
        weights: of each first token in each of them [b, n]; 0 where it is recomputed.
    """

    def __init__(self, context: Context, anchors: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        self.context, self.anchors, self.weights = context, anchors, weights

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention over the I-frames' keys and values and the tokens' own."""
        if prefers_products(q) and self.context.layers[layer][0, 0].nbytes > GATHERED_BYTES:
            return self.attend_in_place(layer, q, k, v)
        # gathered for each P-frame
        parts = [self.context.layers[layer][:, rows] for rows in self.anchors]
        keys = torch.cat([*(part[0] for part in parts), k], dim=2)
        values = torch.cat([*(part[1] for part in parts), v], dim=2)
        return attend(q, keys, values, bias=self.bias(layer, k))

    def bias(self, layer: int, k: Tensor) -> Tensor:
        """Logarithms of what each key weighs [b, 1, 1, m]."""
        width = self.context.layers[layer].shape[3]
        weights = [
            weight.new_zeros(len(rows), width).scatter_add_(1, self.context.slots[rows, layer], weight)
            for rows, weight in zip(self.anchors, self.weights, strict=True)
        ]
        own = torch.ones(len(k), k.shape[2], device=k.device)
        return torch.cat([*weights, own], dim=1).log()[:, None, None].to(k.dtype)

    def attend_in_place(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """As two products for each I-frame and the frames that read it, from where its keys and values lie."""
        b, h, n, _ = q.shape
        bias = self.bias(layer, k)
        few = max(1, LOGITS_BYTES // (h * n * bias.shape[-1] * q.itemsize))
        parts = [slice(start, min(start + few, b)) for start in range(0, b, few)]
        return torch.cat(
            [self._attend_few(layer, part, q[part], k[part], v[part], bias[part]) for part in parts]
        )

    def _attend_few(self, layer: int, part: slice, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Attention of some of the frames."""
        b, h, n, c = q.shape
        m, recorded = k.shape[2], self.context.layers[layer]
        width = recorded.shape[3]
        places = [
            (rows, frames, slice(side * width, (side + 1) * width))
            for side, anchors in enumerate(self.anchors)
            for rows, frames in blocks_of(anchors[part])
        ]
        asked = (q.transpose(0, 1) * c**-0.5).contiguous()  # h b n k, as neighbours read the same I-frame
        logits = q.new_empty(h, b, n, bias.shape[-1])
        for rows, frames, keys in places:
            held = recorded[0, rows].flatten(0, 1)  # (a h) m k
            groups = len(held) // h
            # h (a f) n k -> (a h) (f n) k
            few = asked[:, frames].reshape(h, groups, -1, c).transpose(0, 1).reshape(groups * h, -1, c)
            found = torch.bmm(few, held.mT).view(groups, h, -1, width).transpose(0, 1)
            logits[:, frames, :, keys] = found.reshape(h, -1, n, width)
        logits[..., -m:] = asked @ k.transpose(0, 1).mT
        attention = logits.add_(bias.transpose(0, 1)).softmax(dim=-1)
        out = attention[..., -m:] @ v.transpose(0, 1)
        for rows, frames, keys in places:
            held = recorded[1, rows].flatten(0, 1)
            groups = len(held) // h
            few = attention[:, frames, :, keys].reshape(h, groups, -1, width).transpose(0, 1)
            read = torch.bmm(few.reshape(groups * h, -1, width), held).view(groups, h, -1, c).transpose(0, 1)
            out[:, frames] += read.reshape(h, -1, n, c)
        return out.transpose(0, 1)


def blocks_of(rows: Tensor) -> list[tuple[slice, slice]]:
    """A list of rows as blocks of rows that follow each other and stand there equally often: rows, and their places."""
    blocks: list[tuple[slice, slice]] = []
    start, often = 0, 0
    for row, same in groupby(rows.tolist()):
        stop = start + len(list(same))
        goes_on = blocks and blocks[-1][0].stop == row and stop - start == often
        if goes_on:
            last_rows, last_places = blocks.pop()
            blocks.append((slice(last_rows.start, row + 1), slice(last_places.start, stop)))
        else:
            blocks.append((slice(row, row + 1), slice(start, stop)))
        start, often = stop, stop - start
    return blocks
