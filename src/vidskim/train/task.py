"""What `fit` is given and what it tells: a task, and reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from vidskim.train.data import Source


class Task(Protocol):
    """Something to be trained."""

    @property
    def model(self) -> nn.Module:
        """What is trained: its parameters with requires_grad.

        Frozen parameters are not stored in checkpoints; what changes without a gradient, such as a moving average, must
        be a buffer. The loop calls `train()` on it; a part that must stay in eval mode overrides that.
        """
        ...

    @property
    def source(self) -> Source:
        """Where batches come from."""
        ...

    @property
    def settings(self) -> Mapping[str, object]:
        """What else decides the outcome, as plain JSON values: going on with others is refused."""
        ...

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        """One batch's loss.

        Args:
            model: `self.model`, or what wraps it in distributed training: call it, and no methods of the inner one.
            batch: on the training's device.
            generator: on the CPU, seeded for this batch alone.

        Returns:
            The loss, one number, and further numbers to log: the same names for every batch.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """One finished step.

    Args:
        step: steps finished, 1 ... steps.
        steps: steps in all.
        loss: mean over the step's batches, of all ranks.
        learning_rate: that of this step.
        gradient_norm: before clipping.
        seconds_left: an estimate from the last steps.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """A finished training.

    Args:
        steps: steps in all.
        resumed_from: the step of the checkpoint it went on from, None if it began anew.
        seconds: over all its runs.
        loss: of the last step.
        metrics: the last validation's numbers; on the first rank only.
    """

    steps: int
    resumed_from: int | None
    seconds: float
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
