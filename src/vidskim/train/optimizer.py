"""AdamW, its groups, and the learning rate of each step."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from vidskim.train.settings import LoopSettings


def learning_rate_at(step: int, settings: LoopSettings) -> float:
    """The learning rate of one step: a line up to the peak, then half a cosine.

    The line passes through 0 before the first step, so that step already learns; the cosine reaches
    `final_fraction` of the peak after the last.

    Args:
        step: steps finished before, 0 ... steps - 1.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / (settings.steps - warmup)
    low = settings.final_fraction
    return peak * (low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)


def make_optimizer(parameters: Mapping[str, nn.Parameter], settings: LoopSettings) -> torch.optim.AdamW:
    """AdamW over named parameters; only matrices and larger (2 dimensions or more) decay."""
    matrices = [parameter for parameter in parameters.values() if parameter.ndim >= 2]
    others = [parameter for parameter in parameters.values() if parameter.ndim < 2]
    groups = [
        {"params": members, "weight_decay": decay}
        for members, decay in ((matrices, settings.weight_decay), (others, 0.0))
        if members
    ]
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=settings.betas, eps=settings.eps, fused=True
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
