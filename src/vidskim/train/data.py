"""Batches by number: which numbers a rank trains on, who makes them, and what is random about each."""

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class Source(Protocol):
    """Where batches come from. Pickled into the processes that make them, so it holds settings and paths, not data."""

    def __getitem__(self, number: int, /) -> dict[str, Tensor]:
        """Batch `number`: always the same one for the same number. There is no last one."""
        ...


def batch_numbers(first: int, steps: int, *, accumulate: int, rank: int = 0, ranks: int = 1) -> Iterator[int]:
    """The numbers of one rank's batches from step `first` up to `steps`.

    Ranks take turns, so what all of them see in a step is what one rank sees that accumulates `ranks` times as much.
    """
    for turn in range(first * accumulate, steps * accumulate):
        yield turn * ranks + rank


def mix_seed(seed: int, number: int, *, purpose: str) -> int:
    """A seed for one batch, 0 ... 2^63 - 1, unrelated to that of any other batch, seed or purpose."""
    digest = hashlib.sha256(f"{purpose} {seed} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def seeded(seed: int, number: int, *, device: torch.device) -> Iterator[torch.Generator]:
    """What is random about one batch: a generator of its own, and the global one seeded for dropout and the like.

    The global generators are as before afterwards. Nothing depends on what ran earlier, so a training that goes on
    later needs no stored state.
    """
    generator = torch.Generator().manual_seed(mix_seed(seed, number, purpose="generator"))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(mix_seed(seed, number, purpose="global"))
        yield generator


@contextmanager
def open_batches(
    source: Source, numbers: Iterator[int], *, workers: int, pin_memory: bool
) -> Iterator[Iterator[dict[str, Tensor]]]:
    """Batches in the order of their numbers, made ahead in processes that end with this context, however it ends.

    Args:
        source: pickled into each process.
        numbers: which batches.
        workers: how many processes; 0 makes batches here, when asked for. Each computes on one thread.
        pin_memory: for copies to a GPU.
    """
    loader = DataLoader(
        cast("Dataset[dict[str, Tensor]]", source),
        sampler=cast(Any, numbers),
        batch_size=None,
        num_workers=workers,
        # a fork would copy locks that threads of this process hold
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_leave_in_order,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # the loader draws from it, and from the global one without
    )
    stream = iter(loader)
    try:
        yield stream
    finally:
        # a traceback would keep the iterator alive, and with it its processes
        if workers:
            cast(Any, stream)._shutdown_workers()


def _leave_in_order(_: int) -> None:
    """Ctrl-C, and often SIGTERM, reaches all processes: the one that trains ends the others, and misses none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
