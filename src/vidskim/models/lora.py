"""LoRA on the fused query, key and value projections of a tower: training beside frozen weights, and folding into them.

Source: Hu et al., LoRA, 2021; scale 1 and no dropout, as TempMe trains it.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.attention import Attention
from vidskim.models.block import Block
from vidskim.models.linear import Linear
from vidskim.models.text import TextTransformer
from vidskim.models.vit import VisionTransformer

RANK = 8


class LowRank(NamedTuple):
    """What is added to one fused projection [3d, d]: `up @ down`, with down [r, d] and up [3d, r]."""

    down: Tensor
    up: Tensor


class LoraLinear(Linear):
    """A frozen linear layer, and a low-rank one beside it that learns; at first it adds nothing.

    Args:
        base: the layer; its weights are shared.
        rank: r of the addition.
        generator: for the first values.
    """

    def __init__(self, base: Linear, *, rank: int, generator: torch.Generator) -> None:
        with torch.device("meta"):
            super().__init__(base.in_features, base.out_features, bias=base.bias is not None)
        self.weight, self.bias = base.weight, base.bias
        bound = base.in_features**-0.5  # Kaiming-uniform with a = sqrt(5)
        start = torch.empty(rank, base.in_features).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(start.to(base.weight))
        self.up = nn.Parameter(base.weight.new_zeros(base.out_features, rank))

    def forward(self, input: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]."""
        return super().forward(input) + F.linear(F.linear(input, self.down), self.up)

    def part(self, input: Tensor, outputs: slice) -> Tensor:
        """As `forward`, some outputs only."""
        return super().part(input, outputs) + F.linear(F.linear(input, self.down), self.up[outputs])


def add_lora(
    tower: VisionTransformer | TextTransformer, *, rank: int = RANK, generator: torch.Generator
) -> None:
    """Freeze a tower, and give each block's fused projection a low-rank addition that learns.

    Args:
        tower: changed in place; it computes what it did before, to the bit.
        rank: r of each addition, 1 or more.
        generator: for the first values.

    Raises:
        SettingsError: a rank below 1.
    """
    if rank < 1:
        raise SettingsError(f"rank of LoRA is 1 or more; received {rank}")
    tower.requires_grad_(False)
    for attention in _attentions(tower):
        attention.qkv = LoraLinear(attention.qkv, rank=rank, generator=generator)


def read_lora(tower: VisionTransformer | TextTransformer) -> dict[int, LowRank]:
    """The additions of a tower as they are now, by block; copies in float32 on the CPU."""
    found = {}
    for number, attention in enumerate(_attentions(tower)):
        if isinstance(attention.qkv, LoraLinear):
            pair = (attention.qkv.down, attention.qkv.up)
            found[number] = LowRank(*(part.detach().float().cpu().clone() for part in pair))
    return found


def fold_lora(state: Mapping[str, Tensor], additions: Mapping[int, LowRank]) -> dict[str, Tensor]:
    """A tower's tensors with the additions inside the weights, for inference: W + up down, exact.

    Args:
        state: under the trunk's names.
        additions: by block.

    Raises:
        CheckpointError: they are of another tower.
    """
    folded = dict(state)
    for number, (down, up) in additions.items():
        name = f"blocks.{number}.attention.qkv.weight"
        expected = list(state[name].shape) if name in state else None
        shapes = [list(down.shape), list(up.shape)]
        if expected is None or [up.shape[0], down.shape[-1]] != expected or up.shape[-1] != down.shape[0]:
            raise CheckpointError(
                f"the adapter's LoRA of block {number} has shapes {shapes}, and the model's projection there is "
                f"{'absent' if expected is None else expected}"
            )
        exact = torch.promote_types(
            state[name].dtype, torch.float32
        )  # rounding 16-bit weights twice would show
        folded[name] = (state[name].double() + up.double() @ down.double()).to(exact)
    return folded


def _attentions(tower: VisionTransformer | TextTransformer) -> list[Attention]:
    return [cast(Block, block).attention for block in tower.blocks]
