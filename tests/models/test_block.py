"""A block, and the places where a reduction acts in it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vidskim.models.attention import attend
from vidskim.models.block import Block
from vidskim.models.linear import ACTIVATIONS
from vidskim.models.reduction import Reduction


def make(generator: torch.Generator, **options: Any) -> Block:
    block = Block(width=24, heads=3, hidden=40, activation="quick_gelu", eps=1e-5, **options)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(0.5 + 0.3 * torch.randn(parameter.shape, generator=generator))
    return block.eval()


@pytest.mark.parametrize("layer_scale", [True, False])
def test_a_block_is_its_formula(generator: torch.Generator, layer_scale: bool) -> None:
    block = make(generator, layer_scale=layer_scale)
    x = torch.randn(2, 5, 24, generator=generator)
    attended = block.attention.merge(attend(*block.attention.project(block.norm1(x))))
    y = x + (attended * block.scale1 if layer_scale else attended)
    z = block.mlp.fc2(block.mlp.fc1(block.norm2(y)))
    expected = y + (z * block.scale2 if layer_scale else z)
    torch.testing.assert_close(block(x, layer=0, reduction=Reduction()), expected)


@pytest.mark.parametrize("rows", [1, 3, 5])
@pytest.mark.parametrize("options", [{}, {"layer_scale": True}, {"qkv_bias": False}])
def test_the_first_rows_alone_are_the_first_of_all(
    generator: torch.Generator, rows: int, options: dict[str, bool]
) -> None:
    block = make(generator, **options)
    x = torch.randn(2, 5, 24, generator=generator)
    whole = block(x, layer=0, reduction=Reduction())
    first = block.forward_first(x, slice(0, rows), layer=0, reduction=Reduction())
    torch.testing.assert_close(first, whole[:, :rows])


class Record(Reduction):
    """Drops the last token after attention and again after the block, and writes down what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, tuple[int, ...]]] = []

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        self.calls.append(("attend", layer, tuple(k.shape)))
        return super().attend(layer, q, k, v)

    def after_attention(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        self.calls.append(("after_attention", layer, tuple(keys.shape)))
        return x[:, :-1]

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        self.calls.append(("after_block", layer, tuple(keys.shape)))
        return x[:, :-1]


def test_hooks_come_in_order_and_may_drop_tokens(generator: torch.Generator) -> None:
    block, record = make(generator), Record()
    x = torch.randn(2, 5, 24, generator=generator)
    out = block(x, layer=7, reduction=record)
    assert out.shape == (2, 3, 24)
    assert [(name, layer) for name, layer, _ in record.calls] == [
        ("attend", 7),
        ("after_attention", 7),
        ("after_block", 7),
    ]
    assert {shape for *_, shape in record.calls} == {(2, 3, 5, 8)}
    # tokens meet in attention only, so what was dropped after it changes nothing for the others
    torch.testing.assert_close(out, block(x, layer=0, reduction=Reduction())[:, :3])


def test_activations(generator: torch.Generator) -> None:
    x = torch.randn(50, generator=generator)
    torch.testing.assert_close(ACTIVATIONS["quick_gelu"](x), x / (1 + torch.exp(-1.702 * x)))
    torch.testing.assert_close(ACTIVATIONS["gelu"](x), x * 0.5 * (1 + torch.erf(x / 2**0.5)))
    torch.testing.assert_close(ACTIVATIONS["silu"](x), x * torch.sigmoid(x))
