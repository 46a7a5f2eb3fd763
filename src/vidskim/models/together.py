"""Batches whose samples have different numbers of tokens, in one pass: each weight is read once for all of them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vidskim.models.reduction import Reduction

Shape = tuple[int, int]  # samples and tokens of each


class Together(Reduction):
    """Several batches as one row of tokens [1, r, d]: linear layers see the row, every reduction its own batch.

    Few tokens cost as much time as many where the weights do not fit in a cache, so small batches go together. In the
    last block, of which only first tokens are asked for, `before_attention` may not change how many tokens there are.

    Args:
        reductions: of each batch.
        batches: embedded tokens [b, n, d] each.
    """

    def __init__(self, reductions: Sequence[Reduction], batches: Sequence[Tensor]) -> None:
        self.reductions = reductions
        self.shapes: list[Shape] = [(len(batch), batch.shape[1]) for batch in batches]
        self.keys: list[Tensor] = []  # of the block at work

    def first_rows(self) -> Tensor:
        """Where the first token of each sample stands now, int64 [samples]."""
        starts = [start for b, n in self.shapes for start in [n] * b]
        return torch.tensor([0, *starts[:-1]]).cumsum(dim=0)

    def before_attention(self, layer: int, x: Tensor) -> Tensor:
        """Each batch's own."""
        return self._each(x, [reduction.before_attention for reduction in self.reductions], layer)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Each batch's own: queries [1, h, r, k], or those of first tokens only [1, h, samples, k]."""
        keys, values = self._split(k, self.shapes), self._split(v, self.shapes)
        asked = self.shapes if q.shape[2] == k.shape[2] else [(b, 1) for b, _ in self.shapes]
        parts = zip(self.reductions, self._split(q, asked), keys, values, strict=True)
        attended = [reduction.attend(layer, *own) for reduction, *own in parts]
        self.keys = keys
        # b h n k -> (b n) h k, as `Attention.merge` wants it
        rows = torch.cat([part.transpose(1, 2).flatten(0, 1) for part in attended])
        return rows.transpose(0, 1)[None]

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Each batch's own."""
        return self._each(x, [reduction.after_attention for reduction in self.reductions], layer, self.keys)

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        """Each batch's own."""
        return self._each(x, [reduction.after_block for reduction in self.reductions], layer, self.keys)

    @staticmethod
    def _split(heads: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
        """[1, h, r, k] -> [b, h, n, k] of each batch, as views."""
        parts = heads[0].split_with_sizes([b * n for b, n in shapes], dim=1)
        return [
            part.view(len(part), *shape, -1).transpose(0, 1)
            for part, shape in zip(parts, shapes, strict=True)
        ]

    def _each(
        self, x: Tensor, hooks: Sequence[Callable[..., Tensor]], layer: int, *seen: Sequence[Tensor]
    ) -> Tensor:
        """The row [1, r, d] after each batch's hook; the same row where none of them did anything."""
        rows = x[0].split_with_sizes([b * n for b, n in self.shapes])
        before = [part.view(*shape, -1) for part, shape in zip(rows, self.shapes, strict=True)]
        after = [hook(layer, *own) for hook, *own in zip(hooks, before, *seen, strict=True)]
        if all(new is old for new, old in zip(after, before, strict=True)):
            return x
        self.shapes = [(len(part), part.shape[1]) for part in after]
        return torch.cat([part.flatten(0, 1) for part in after])[None]
