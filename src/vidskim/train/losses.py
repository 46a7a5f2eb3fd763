"""Training objectives: functions of features, with no state."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.tokens.cosine import cosines


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, *, owners: Tensor | None = None) -> Tensor:
    """Symmetric cross-entropy of telling each pair from all others of the batch.

    Args:
        images: unit vectors [b, d].
        texts: unit vectors [b or more, d]; row i belongs to image i, rows from b on to none.
        scale: inverse temperature, a scalar.
        owners: what each pair shows, int64 [b]: pairs that show the same are not told from each other. None where no
            two do.

    Returns:
        A scalar; log(b) where nothing is known.

    Source: Radford et al. 2021, figure 3.
    """
    logits = scale * cosines(images, texts)
    count = len(images)
    truth = torch.arange(count, device=logits.device)
    if owners is not None:
        alike = (owners[:, None] == owners).fill_diagonal_(False)
        logits = logits.masked_fill(F.pad(alike, (0, len(texts) - count)), -torch.inf)
    return (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T[:count], truth)) / 2


def feature_regression(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine between unit vectors [b, d]; half their mean squared distance."""
    return 1 - (student * teacher).sum(dim=-1).mean()


def feature_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """100 times the mean over unit vectors [..., d] of their squared distance / sqrt(d).

    Source: the loss "mse" of ResidualViT's released training.
    """
    squared = (student - teacher).square().sum(dim=-1)
    return 100 * squared.mean() / math.sqrt(student.shape[-1])


def caption_loss(student: Tensor, teacher: Tensor, texts: Tensor, scale: float) -> Tensor:
    """Soft cross-entropy of each frame's distribution over captions, the teacher's against the student's.

    Args:
        student: unit vectors [b, n, d]: n P-frames of each of b clips.
        teacher: the full encoder's of the same frames [b, n, d].
        texts: captions of the whole batch, all ranks' [c, d], unit vectors.
        scale: the teacher's inverse temperature, for both.

    Source: the loss "ce" of ResidualViT's released training, image to text.
    """
    return _soft_cross_entropy(scale * cosines(student, texts), scale * cosines(teacher, texts))


def caption_loss_both_ways(student: Tensor, teacher: Tensor, texts: Tensor, scale: float) -> Tensor:
    """The mean of `caption_loss` and its reverse: each caption's distribution over the batch's frames.

    The frames that a caption is spread over are those of one position in the group, k = 1 ... n, in turn.

    Args:
        student, teacher, texts, scale: as in `caption_loss`; row i of the texts is clip i's.

    Source: ResidualViT's loss as the paper has it; in the released training an option.
    """
    ours, theirs = scale * cosines(student, texts), scale * cosines(teacher, texts)  # b n c
    to_frames = _soft_cross_entropy(ours.permute(1, 2, 0), theirs.permute(1, 2, 0))  # n c b
    return (_soft_cross_entropy(ours, theirs) + to_frames) / 2


def _soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(target.softmax(dim=-1) * logits.log_softmax(dim=-1)).sum(dim=-1).mean()
