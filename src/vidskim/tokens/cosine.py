"""What tokens and vectors are compared by."""

import torch
from torch import Tensor


def cosines(vectors: Tensor, others: Tensor) -> Tensor:
    """Of unit vectors [..., n, d] with others [..., m, d]: [..., n, m], in their own type also where autocast is on.

    In bfloat16 cosines of 0.3 are 0.002 apart and those near 1 twice as much: many would be equal.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        return vectors @ others.mT
