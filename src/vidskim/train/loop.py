"""One training loop for everything: `fit` trains a task, or goes on exactly where its newest checkpoint stands."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidskim.disk import locked
from vidskim.errors import SettingsError, TrainingError, VidskimError
from vidskim.pipeline.load import torch_dtype
from vidskim.train.checkpoint import (
    TrainCheckpoint,
    check_settings,
    checkpoint_path,
    newest_checkpoint,
    read_train_checkpoint,
    write_checkpoint,
)
from vidskim.train.data import Source, batch_numbers, open_batches
from vidskim.train.distributed import Ranks, joined
from vidskim.train.interrupt import undisturbed
from vidskim.train.metrics import MetricsFile, Window
from vidskim.train.optimizer import make_optimizer
from vidskim.train.settings import LoopSettings
from vidskim.train.state import kept_buffers, pack, trained_parameters, unpack
from vidskim.train.step import Stepper
from vidskim.train.task import FitReport, StepReport, Task

__all__ = ["FitReport", "LoopSettings", "Source", "StepReport", "Task", "fit"]

RECENT_STEPS = 20  # the time left is judged by these


def fit(
    task: Task,
    settings: LoopSettings,
    out: Path,
    *,
    on_step: Callable[[StepReport], None] | None = None,
    on_checkpoint: Callable[[int], Mapping[str, float]] | None = None,
) -> FitReport:
    """Train a task, or go on exactly where the newest checkpoint in `out` stands; a finished training returns at once.

    Afterwards `task.model` holds the trained weights, on the training's device. Whatever ended a training early, the
    same call goes on: Ctrl-C writes a checkpoint first, after anything else the last one counts. A script that calls
    this with workers needs `if __name__ == "__main__":`, for they start it anew ("spawn").

    Args:
        task: model, batches and loss.
        settings: how to train.
        out: folder for checkpoints and metrics.jsonl; one per training.
        on_step: called after each step, on the first rank.
        on_checkpoint: called with the step after each checkpoint and at the end, on the first rank, with the model in
            eval mode and without gradients; its numbers go into metrics.jsonl.

    Raises:
        SettingsError: `out` holds a training with other settings, or nothing can be trained.
        CheckpointError: `out` holds a training of another model, or only damaged checkpoints.
        TrainingError: the loss or its gradient is not finite, or another process trains into `out`.
        KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
    """
    with ExitStack() as stack:
        ranks = stack.enter_context(joined(settings.device))
        if ranks.is_first:
            if out.exists() and not out.is_dir():
                raise SettingsError(f"{out} is a file; a training needs a folder of its own")
            out.mkdir(parents=True, exist_ok=True)
            _lock(stack, out)
        run = _Run(task, settings=settings, out=out, ranks=ranks)
        run.on_step, run.on_checkpoint = on_step, on_checkpoint
        resumed_from = run.resume()
        with _training_mode(task.model):
            run.train()
        ranks.wait()
        return run.report(resumed_from)


class _Run:
    """One call of `fit`."""

    on_step: Callable[[StepReport], None] | None = None
    on_checkpoint: Callable[[int], Mapping[str, float]] | None = None

    def __init__(self, task: Task, *, settings: LoopSettings, out: Path, ranks: Ranks) -> None:
        self.task, self.settings, self.out, self.ranks = task, settings, out, ranks
        self.model = task.model.to(ranks.device)
        self.optimizer = make_optimizer(trained_parameters(self.model), settings)
        self.dtype = torch_dtype(settings.precision, ranks.device)
        precision = str(self.dtype).removeprefix("torch.")
        self.fixed = {**settings.fixed(), **task.settings, "precision": precision, "ranks": ranks.count}
        self.step, self.saved_step = 0, 0
        self.loss, self.seconds_before, self.began = float("nan"), 0.0, time.perf_counter()
        self.window = Window()
        self.metrics: MetricsFile | None = None
        self.buffers_before: dict[str, Tensor] = {}
        self.recent: deque[float] = deque(maxlen=RECENT_STEPS)

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.began

    def resume(self) -> int | None:
        """Go to where the newest checkpoint stands. Returns its step, None if there is none."""
        checkpoint = newest_checkpoint(self.out) if self.ranks.is_first else None
        step = self.ranks.from_first(-1 if checkpoint is None else checkpoint.step)
        if step >= 0:
            checkpoint = checkpoint or read_train_checkpoint(checkpoint_path(self.out, step))
            check_settings(self.fixed, checkpoint.settings, folder=self.out)
            unpack(checkpoint.tensors, model=self.model, optimizer=self.optimizer)
            progress: dict[str, Any] = dict(checkpoint.progress)
            self.step = self.saved_step = step
            self.loss, self.seconds_before = progress["loss"], progress["seconds"]
            self.window = Window(progress["window"])
        if self.ranks.is_first:
            self.metrics = MetricsFile(self.out, step=self.step)
        return step if step >= 0 else None

    def train(self) -> None:
        """Take the steps that are left."""
        self._validate()
        if self.step == self.settings.steps:
            return
        autocast = None if self.dtype == torch.float32 else self.dtype
        stepper = Stepper(
            self.task, settings=self.settings, ranks=self.ranks, optimizer=self.optimizer, autocast=autocast
        )
        try:
            with self._batches() as batches:
                while self.step < self.settings.steps:
                    report = self._advance(stepper, batches)
                    if self.on_step is not None and self.ranks.is_first:
                        self.on_step(report)
                    if self._is_checkpoint_due:
                        self._save()
                        self._validate()
        except KeyboardInterrupt:
            with undisturbed():  # `timeout` signals twice
                self._undo_half_a_step()
                self._save()
            raise

    def report(self, resumed_from: int | None) -> FitReport:
        """What `fit` returns."""
        validations = {} if self.metrics is None else self.metrics.validations
        return FitReport(
            steps=self.settings.steps,
            resumed_from=resumed_from,
            seconds=self.seconds_before if self.step == resumed_from else self.seconds,
            loss=self.loss,
            metrics=validations[max(validations)] if validations else {},
        )

    def _batches(self) -> Any:
        numbers = batch_numbers(
            self.step,
            self.settings.steps,
            accumulate=self.settings.accumulate,
            rank=self.ranks.rank,
            ranks=self.ranks.count,
        )
        pinned = self.ranks.device.type == "cuda"
        return open_batches(self.task.source, numbers, workers=self.settings.workers, pin_memory=pinned)

    def _advance(self, stepper: Stepper, batches: Iterator[dict[str, Tensor]]) -> StepReport:
        start = time.perf_counter()
        self.buffers_before = {name: value.clone() for name, value in kept_buffers(self.model).items()}
        numbers = stepper.gradients(self.step, batches)
        with undisturbed():
            rate = stepper.update(self.step)
            self.step += 1
            self.loss = numbers["loss"]
            self.buffers_before = {}
            self.recent.append(time.perf_counter() - start)
            self.window.add({**numbers, "step_ms": 1000 * self.recent[-1]})
            self._log(rate)
        left = (self.settings.steps - self.step) * sum(self.recent) / len(self.recent)
        return StepReport(
            step=self.step,
            steps=self.settings.steps,
            loss=self.loss,
            learning_rate=rate,
            gradient_norm=numbers["gradient_norm"],
            seconds_left=left,
        )

    def _log(self, rate: float) -> None:
        if self.step % self.settings.log_every and self.step != self.settings.steps:
            return
        means = self.window.take_means()
        first = {"step": self.step, "loss": means.pop("loss"), "learning_rate": rate}
        step_ms = round(means.pop("step_ms"), 3)
        if self.metrics is not None:
            self.metrics.append({**first, **means, "seconds": round(self.seconds, 3), "step_ms": step_ms})

    @property
    def _is_checkpoint_due(self) -> bool:
        at_end = self.step == self.settings.steps
        return self.step > 0 and (at_end or self.step % self.settings.checkpoint_every == 0)

    def _save(self) -> None:
        """Write a checkpoint of the last finished step, if there is not one already."""
        if self.metrics is None or self.step == self.saved_step:
            return
        self.metrics.sync()
        progress = {"seconds": self.seconds, "loss": self.loss, "window": self.window.values}
        tensors = pack(self.model, self.optimizer)
        checkpoint = TrainCheckpoint(step=self.step, settings=self.fixed, progress=progress, tensors=tensors)
        write_checkpoint(self.out, checkpoint)
        self.saved_step = self.step

    def _validate(self) -> None:
        """Validate where a checkpoint is due and no line of it is there: an interrupted validation is made up for."""
        if self.on_checkpoint is None or self.metrics is None or not self._is_checkpoint_due:
            return
        if self.step in self.metrics.validations:
            return
        with _evaluation_mode(self.model):
            numbers = self.on_checkpoint(self.step)
        with undisturbed():
            self.metrics.append_validation(self.step, round(self.seconds, 3), numbers)

    def _undo_half_a_step(self) -> None:
        """A step cut short has left parameters as they were, but may have changed buffers."""
        current = kept_buffers(self.model)
        for name, before in self.buffers_before.items():
            current[name].copy_(before)


def _lock(stack: ExitStack, out: Path) -> None:
    try:
        stack.enter_context(locked(out))
    except VidskimError as error:
        raise TrainingError(
            f"another process trains into {out}; wait for it, end it, or use another folder"
        ) from error


@contextmanager
def _training_mode(model: torch.nn.Module) -> Iterator[None]:
    """Train mode within, each module's own mode after."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
