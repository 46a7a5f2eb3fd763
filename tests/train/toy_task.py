"""Tiny trainings for the tests, in a module of its own so that other processes can import them.

python toy_task.py train OUT WORKERS: train slowly enough to be killed.
python toy_task.py ranks OUT: one of several ranks; trains a regression and a contrast.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from vidskim.train.distributed import gather_rows
from vidskim.train.loop import LoopSettings, fit

ROWS = 4


@dataclass(frozen=True)
class Lines:
    """y = x w, a batch per number; or `joined` consecutive batches in one."""

    joined: int = 1
    dtype: torch.dtype = torch.float32

    def __getitem__(self, number: int, /) -> dict[str, Tensor]:
        parts = [
            torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(number * self.joined + part))
            for part in range(self.joined)
        ]
        x = torch.cat(parts).to(self.dtype)
        return {"x": x, "y": (x @ torch.tensor([1.0, 2.0, -1.0], dtype=self.dtype)).unsqueeze(1)}


class Threads:
    """Lines, and how many threads compute them."""

    def __getitem__(self, number: int, /) -> dict[str, Tensor]:
        return {**Lines()[number], "threads": torch.tensor(torch.get_num_threads())}


@dataclass
class Regression:
    """A `Task`. `before` is called with each loss's number, counted in this process."""

    model: nn.Module
    source: Lines = field(default_factory=Lines)
    stated: dict[str, object] = field(default_factory=dict)
    noise: float = 0.0
    before: Callable[[int], object] = int
    calls: int = 0

    @property
    def settings(self) -> dict[str, object]:
        return self.stated

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        self.calls += 1
        self.before(self.calls)
        wrong = model(batch["x"]).float() - batch["y"].float()
        wrong = wrong + self.noise * torch.randn(wrong.shape, generator=generator)
        return wrong.square().mean(), {"largest": wrong.detach().abs().max()}


@dataclass
class Contrast:
    """A `Task` whose loss compares a rank's own rows with those of all ranks."""

    model: nn.Module
    source: Lines = field(default_factory=Lines)
    stated: dict[str, object] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, object]:
        return self.stated

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        own = model(batch["x"])
        rows = gather_rows(own)
        first = dist.get_rank() * len(own) if dist.is_initialized() else 0
        return F.cross_entropy(own @ rows.T, first + torch.arange(len(own))), {}


def linear(outputs: int = 1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Linear(3, outputs)


def noisy_net() -> nn.Module:
    """Random numbers from the global generator, and buffers that every forward changes."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1))


def toy_settings(**changes: object) -> LoopSettings:
    given: dict[str, object] = {
        "steps": 30,
        "learning_rate": 0.05,
        "warmup_steps": 5,
        "weight_decay": 0.1,
        "precision": "float32",
        "device": "cpu",
        "workers": 0,
        "checkpoint_every": 7,
        "log_every": 4,
    }
    return LoopSettings(**(given | changes))  # type: ignore[arg-type]


def rank_settings(**changes: object) -> LoopSettings:
    return toy_settings(steps=6, warmup_steps=2, checkpoint_every=3, log_every=2, **changes)


def sleep_briefly(_: int) -> None:
    time.sleep(0.01)


def train_slowly(out: Path, workers: int) -> None:
    task = Regression(noisy_net(), noise=0.3, before=sleep_briefly)
    fit(task, toy_settings(steps=300, workers=workers), out)


def train_as_rank(out: Path, ports: Iterable[str]) -> None:
    """Each training makes its own process group, at its own port."""
    tasks = {"regression": Regression(linear()), "contrast": Contrast(linear(outputs=4))}
    for (name, task), port in zip(tasks.items(), ports, strict=True):
        os.environ["MASTER_PORT"] = port
        fit(task, rank_settings(accumulate=2), out / name, on_checkpoint=lambda step: {"at": step})
        assert not dist.is_initialized()
        save_file(dict(task.model.state_dict()), out / f"{name}-{os.environ['RANK']}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "train":
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line has it
        train_slowly(Path(sys.argv[2]), workers=int(sys.argv[3]))
    else:
        train_as_rank(Path(sys.argv[2]), sys.argv[3:])
