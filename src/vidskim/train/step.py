"""One optimiser step: gradients of its batches, clipped, then the update."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from vidskim.errors import SettingsError, TrainingError
from vidskim.train.data import seeded
from vidskim.train.distributed import Ranks
from vidskim.train.metrics import RESERVED
from vidskim.train.optimizer import learning_rate_at, set_learning_rate
from vidskim.train.settings import LoopSettings
from vidskim.train.task import Task


class Stepper:
    """Takes steps on a task's model.

    Args:
        task: what is trained; its model lies on the device of `ranks`.
        settings: how.
        ranks: this process among those that train together.
        optimizer: over the model's trained parameters.
        autocast: what is computed in, None for the weights' own type.
    """

    def __init__(
        self,
        task: Task,
        *,
        settings: LoopSettings,
        ranks: Ranks,
        optimizer: torch.optim.Optimizer,
        autocast: torch.dtype | None,
    ) -> None:
        self.task, self.settings, self.ranks = task, settings, ranks
        self.optimizer, self.autocast = optimizer, autocast
        self.model: nn.Module = task.model
        if ranks.count > 1:
            own = [ranks.device] if ranks.device.type == "cuda" else None
            self.model = DistributedDataParallel(task.model, device_ids=own)

    def gradients(self, step: int, batches: Iterator[Mapping[str, Tensor]]) -> dict[str, float]:
        """Leave one step's clipped gradients in the parameters; the model is not changed but for its buffers.

        Args:
            step: steps finished before.
            batches: `accumulate` of them are taken.

        Returns:
            "loss" and the task's scalars, as means over batches and ranks, and "gradient_norm" before clipping.

        Raises:
            TrainingError: the loss or the gradient is not finite.
        """
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for turn in range(self.settings.accumulate):
            number = (step * self.settings.accumulate + turn) * self.ranks.count + self.ranks.rank
            values = self._backward(next(batches), number, is_last=turn == self.settings.accumulate - 1)
            sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
        grads = [
            p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        norm = get_total_norm(grads)
        names = sorted(sums)
        means = self.ranks.mean([*(sums[name] / self.settings.accumulate for name in names), norm])
        numbers = dict(zip([*names, "gradient_norm"], means, strict=True))
        self._expect_finite(step, numbers)
        if self.settings.clip_norm is not None:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            clip_grads_with_norm_(parameters, self.settings.clip_norm, norm)
        return numbers

    def update(self, step: int) -> float:
        """Change the parameters. Returns the learning rate."""
        rate = learning_rate_at(step, self.settings)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        return rate

    def _backward(self, batch: Mapping[str, Tensor], number: int, *, is_last: bool) -> dict[str, Tensor]:
        device = self.ranks.device
        moved = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        with seeded(self.settings.seed, number, device=device) as generator, self._syncing(is_last):
            with torch.autocast(device.type, dtype=self.autocast, enabled=self.autocast is not None):
                loss, scalars = self.task.loss(self.model, moved, generator)
            _check(loss, scalars)
            (loss / self.settings.accumulate).backward()  # type: ignore[no-untyped-call]
        values = {"loss": loss, **scalars}
        return {
            name: torch.as_tensor(value, dtype=torch.float64, device=device).detach()
            for name, value in values.items()
        }

    def _syncing(self, is_last: bool) -> AbstractContextManager[Any]:
        """Ranks add up their gradients with the last batch of a step only."""
        if isinstance(self.model, DistributedDataParallel) and not is_last:
            return self.model.no_sync()
        return nullcontext()

    def _expect_finite(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, text in (("loss", "loss"), ("gradient_norm", "norm of the gradient")):
            if not abs(numbers[name]) < float("inf"):
                rate = learning_rate_at(step, self.settings)
                raise TrainingError(
                    f"the {text} is {numbers[name]} at step {step + 1}, expected a finite number; the learning rate is "
                    f"{rate:.3g}. The step was not taken. Look at its batches, or begin again with a lower learning "
                    "rate, more warm-up or precision='float32'"
                )


def _check(loss: Tensor, scalars: Mapping[str, object]) -> None:
    if loss.ndim != 0:
        raise SettingsError(
            f"the task's loss must be one number, received shape {list(loss.shape)}; take its mean"
        )
    taken = sorted(set(scalars) & set(RESERVED))
    if taken:
        raise SettingsError(
            f"scalars of a task cannot be called {', '.join(taken)}: the loop logs those itself"
        )
