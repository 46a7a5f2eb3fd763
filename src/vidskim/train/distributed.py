"""Several processes that train one model: joining them, and what they tell each other.

Started with torchrun, which sets WORLD_SIZE, RANK and LOCAL_RANK. All ranks must see the same output folder.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from vidskim.pipeline.load import torch_device

# The other ranks wait while the first one validates.
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """The processes that train together.

    Args:
        rank: this process, 0 ... count - 1; the first one writes.
        count: how many there are.
        device: where this process computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def mean(self, values: list[Tensor]) -> list[float]:
        """The means over all ranks of some scalars, the same number of them on each rank."""
        row = torch.stack([value.detach().to(self.device, torch.float64).reshape(()) for value in values])
        if self.count > 1:
            dist.all_reduce(row)
            row /= self.count
        out: list[float] = row.tolist()
        return out

    def from_first(self, value: int) -> int:
        """The first rank's value."""
        if self.count == 1:
            return value
        box = torch.tensor(value, device=self.device)
        dist.broadcast(box, src=0)
        return int(box)

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """A block that the first rank passes before the others."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    def wait(self) -> None:
        """Until every rank is here."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """This process among those torchrun started, or by itself. A process group made here ends here, once all are done.

    Args:
        device: as `LoopSettings.device`; "cuda" is each rank's own GPU.

    Raises:
        SettingsError: there is no such device.
    """
    place = torch_device(device)
    make = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized()
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if make and place.type == "cuda":
        dist.init_process_group("nccl", timeout=PATIENCE, device_id=place)
    elif make:
        dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        if dist.is_initialized():
            yield Ranks(rank=dist.get_rank(), count=dist.get_world_size(), device=place)
        else:
            yield Ranks(rank=0, count=1, device=place)
        if make:
            dist.barrier()  # the first one keeps what the others meet at
    finally:
        if make:
            gc.collect()  # models in cycles hold the group, and its threads must end before the interpreter does
            dist.destroy_process_group()


def gather_rows(x: Tensor) -> Tensor:
    """The rows of all ranks below each other, for losses that compare rows across the whole batch.

    Gradients flow to this rank's own rows, and they are those of the sum of all ranks' losses: what other ranks' losses
    say about these rows is added. DistributedDataParallel averages over ranks, so the parameters get the gradient of
    the mean of the losses, as one process with the whole batch would.

    Args:
        x: [b, ...], the same shape on every rank.

    Returns:
        [ranks b, ...], rank 0's rows first; `x` itself where there is one rank.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return x
    rows: Tensor = _GatherRows.apply(x)  # type: ignore[no-untyped-call]
    return rows


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [
            torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())
        ]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]
