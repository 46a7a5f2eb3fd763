"""Training objectives: functions of features, with no state."""

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """Symmetric cross-entropy of telling each pair from all others of the batch.

    Args:
        images: unit vectors [b, d].
        texts: unit vectors [b or more, d]; row i belongs to image i, rows from b on to none.
        scale: inverse temperature, a scalar.

    Returns:
        A scalar; log(b) where nothing is known.

    Source: Radford et al. 2021, figure 3.
    """
    logits = scale * images @ texts.T
    count = len(images)
    truth = torch.arange(count, device=logits.device)
    return (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T[:count], truth)) / 2


def feature_regression(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine between unit vectors [b, d]; half their mean squared distance."""
    return 1 - (student * teacher).sum(dim=-1).mean()
