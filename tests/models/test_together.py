"""Batches of different lengths in one pass give what each gives alone."""

import pytest
import torch
from torch import Tensor

from vidskim.methods.condense import STRONG, Condense
from vidskim.methods.merge import Merge
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer

CONFIG = VitConfig(
    image=32, patch=4, width=24, layers=4, heads=3, hidden=40, activation="gelu", eps=1e-5, embed=12
)
SHAPES = [(2, 9), (1, 65), (3, 2), (2, 30)]


class Dropping(Reduction):
    """Uses every hook, and leaves other tokens after each."""

    def begin(self, x: Tensor) -> Tensor:
        return x[:, :-1]

    def before_attention(self, layer: int, x: Tensor) -> Tensor:
        return x if layer % 2 else x * 1.5

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        assert keys.shape[2] == x.shape[1]
        return x[:, :-1] + keys.mean()

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        assert keys.shape[2] == x.shape[1] + 1
        return torch.cat([x[:, :1], x[:, 2:]], dim=1)


def reductions() -> list[Reduction]:
    return [
        Reduction(),
        Condense(STRONG.counts(CONFIG), protected=1),
        Reduction(),
        Dropping(),
    ]


@pytest.fixture
def trunk(generator: torch.Generator) -> VisionTransformer:
    trunk = VisionTransformer(CONFIG)
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return trunk.eval()


@torch.inference_mode()
def test_each_batch_is_as_if_alone(trunk: VisionTransformer, generator: torch.Generator) -> None:
    batches = [torch.randn(*shape, 24, generator=generator) for shape in SHAPES]
    alone = [trunk(x, reduction) for x, reduction in zip(batches, reductions(), strict=True)]
    together = trunk.forward_together(list(zip(batches, reductions(), strict=True)))
    torch.testing.assert_close(together, alone)
    assert [len(features) for features in together] == [b for b, _ in SHAPES]


@torch.inference_mode()
def test_merging_sees_the_keys_of_its_own_batch(trunk: VisionTransformer, generator: torch.Generator) -> None:
    batches = [torch.randn(2, 33, 24, generator=generator), torch.randn(1, 17, 24, generator=generator)]
    alone, own = [Merge(3, protected=1) for _ in batches], [Merge(3, protected=1) for _ in batches]
    expected = [trunk(x, merge) for x, merge in zip(batches, alone, strict=True)]
    found = trunk.forward_together(list(zip(batches, own, strict=True)))
    torch.testing.assert_close(found, expected)
    for one, other in zip(alone, own, strict=True):
        assert torch.equal(one.slots(4), other.slots(4))


def test_one_batch_is_forward(trunk: VisionTransformer, generator: torch.Generator) -> None:
    x = torch.randn(2, 9, 24, generator=generator)
    assert torch.equal(trunk.forward_together([(x, Reduction())])[0], trunk(x))
