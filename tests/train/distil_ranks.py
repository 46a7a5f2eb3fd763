"""One of several ranks that distil with captions: python distil_ranks.py OUT writes its gradients for each loss."""

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from vidskim.models.checkpoint import build_vision, read_checkpoint
from vidskim.train.distill import DistillTask
from vidskim.train.distributed import joined
from vidskim.train.ranges import Ranges
from vidskim.train.scenes import Groups
from vidskim.train.student import Student

WEIGHTS = Path(__file__).parents[1] / "fixtures" / "residualvit_weights.safetensors"
CLIPS, LOSSES = 6, ("ce", "ce-both", "mse", "regression")


def make_task(loss: str) -> DistillTask:
    """A task with the tiny model; its source is not used."""
    checkpoint = read_checkpoint(WEIGHTS, config={"heads": 4})
    student = Student(build_vision(checkpoint), depth=1, preparation=checkpoint.preparation, seed=0)
    source = Groups(image=112, ranges=Ranges(), grid=7, batch=1)
    return DistillTask(model=student, source=source, loss_name=loss, scale=30.0, settings={})


def whole_batch() -> dict[str, Tensor]:
    """Six clips of one I-frame and two P-frames, with captions."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (CLIPS, 3, 112, 112, 3), dtype=torch.uint8, generator=generator)
    vectors = torch.randn(CLIPS, 4, 32, generator=generator)
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    kept = torch.rand(CLIPS, 2, 49, generator=generator).topk(7, dim=-1).indices
    return {"frames": frames, "kept": kept, "features": unit[:, :3], "texts": unit[:, 3]}


def gradients(loss: str, *, rank: int = 0, ranks: int = 1) -> dict[str, Tensor]:
    """Of the tokenizer, for this rank's share of the batch."""
    task = make_task(loss)
    model = DistributedDataParallel(task.model) if ranks > 1 else task.model
    own = {name: value.chunk(ranks)[rank] for name, value in whole_batch().items()}
    value, _ = task.loss(model, own, torch.Generator())
    value.backward()
    return {name: parameter.grad for name, parameter in task.model.tokenizer.named_parameters()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined("cpu") as joint:
        for name in LOSSES:
            found = gradients(name, rank=joint.rank, ranks=joint.count)
            save_file(found, Path(sys.argv[1]) / f"{name}-{os.environ['RANK']}.safetensors")
