"""Linear: the packed product against the plain one, and what happens to it on the way."""

import copy
import pickle

import pytest
import torch
from torch.nn import functional

from vidskim.models.linear import Linear, cpu_has_bfloat16, pack_linears, quick_gelu
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer

PLAIN = {"none": lambda x: x, "gelu": functional.gelu, "silu": functional.silu, "quick_gelu": quick_gelu}


def layer(activation: str, generator: torch.Generator, *, bias: bool = True) -> Linear:
    made = Linear(48, 80, bias=bias, activation=activation).requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return made


@pytest.mark.parametrize("activation", PLAIN)
@pytest.mark.parametrize("rows", [(1,), (7, 3), (2, 9, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_packed_and_plain_agree(
    activation: str, rows: tuple[int, ...], bias: bool, generator: torch.Generator
) -> None:
    exact = layer(activation, generator, bias=bias)
    rounded = copy.deepcopy(exact).bfloat16()
    x = torch.randn(*rows, 48, generator=generator).bfloat16()
    summed = x.float() @ rounded.weight.float().T + (rounded.bias.float() if bias else 0)
    expected = PLAIN[activation](summed)
    with torch.inference_mode():
        plain = rounded(x)
        rounded.pack()
        packed = rounded(x)
    assert packed.dtype == torch.bfloat16
    assert packed.shape == (*rows, 80)
    for out in (plain, packed):
        torch.testing.assert_close(out.float(), expected, atol=0.03, rtol=0.02)


def test_only_bfloat16_is_packed(generator: torch.Generator) -> None:
    exact = layer("gelu", generator)
    exact.pack()
    assert exact._packed is None
    unfused = layer("quick_gelu", generator).bfloat16()
    unfused.pack()
    assert unfused._packed is None


def test_copies_and_pickles_leave_the_packed_weights_behind(generator: torch.Generator) -> None:
    packed = layer("gelu", generator).bfloat16()
    pack_linears(packed)
    assert (packed._packed is not None) == cpu_has_bfloat16()
    assert sorted(packed.state_dict()) == ["bias", "weight"]
    for again in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        assert again._packed is None
        assert torch.equal(again.weight, packed.weight)
    assert packed.float()._packed is None


def test_gradients_take_the_plain_path(generator: torch.Generator) -> None:
    packed = layer("gelu", generator).bfloat16()
    packed.pack()
    packed.requires_grad_(True)
    packed(torch.ones(1, 48, dtype=torch.bfloat16)).sum().backward()
    assert packed.weight.grad is not None


def test_a_packed_trunk_stays_close_to_the_plain_one(generator: torch.Generator) -> None:
    config = VitConfig(
        width=32, layers=3, heads=2, patch=8, image=32, hidden=64, activation="silu", eps=1e-5, embed=16
    )
    trunk = VisionTransformer(config).eval().requires_grad_(False)
    for parameter in trunk.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    pixels = torch.randn(3, 3, 32, 32, generator=generator)
    rounded = copy.deepcopy(trunk).bfloat16()
    pack_linears(rounded)
    with torch.inference_mode():
        exact = functional.normalize(trunk(trunk.embed(pixels)), dim=-1)
        for module in rounded.modules():
            assert not isinstance(module, Linear) or (module._packed is not None) == cpu_has_bfloat16()
        packed = functional.normalize(rounded(rounded.embed(pixels)).float(), dim=-1)
    assert float((exact * packed).sum(dim=1).min()) > 0.995


def test_changed_weights_are_not_answered_from_the_packed_copy(generator: torch.Generator) -> None:
    packed = layer("none", generator).bfloat16()
    packed.pack()
    x = torch.ones(2, 48, dtype=torch.bfloat16)
    with torch.no_grad():
        packed.weight.mul_(2)
        expected = functional.linear(x, packed.weight, packed.bias)
        torch.testing.assert_close(packed(x), expected)
        packed.pack()
        torch.testing.assert_close(packed(x), expected, atol=0.05, rtol=0.02)
