"""AdamW, its groups, and the learning rate of each step."""

import math
import re
from collections.abc import Mapping

import torch
from torch import nn

from vidskim.train.settings import LoopSettings

# Parts of a name that mark what feeds a trunk's first block.
FEEDING = frozenset({"patch", "class_token", "registers", "positions", "tokens", "norm_pre"})


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
    """AdamW over named parameters; only matrices and larger (2 dimensions or more) decay.

    With `layer_decay` below 1 each block learns at a share of the next one's rate, what feeds the first block at a
    share of that one's, and what comes after the last block at the full rate.

    Source of rates by layer: Clark et al., ELECTRA, ICLR 2020; VideoMAE fine-tunes with 0.75.
    """
    depths = {name: _depth(name) for name in parameters}
    top = 1 + max((depth for depth in depths.values() if depth is not None), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        depth = depths[name]
        share = 1.0 if depth is None else settings.layer_decay ** (top - depth)
        decay = settings.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((share, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "weight_decay": decay, "share": share}
            for (share, decay), members in groups.items()
        ],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        fused=True,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def _depth(name: str) -> int | None:
    """0 for what feeds the first block, 1 for that block, and so on; None for what comes after the blocks."""
    if found := re.search(r"\bblocks\.(\d+)\.", name):
        return int(found[1]) + 1
    return 0 if FEEDING.intersection(name.split(".")) else None
