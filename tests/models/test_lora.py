"""LoRA beside frozen weights and inside them: the same function, and only the additions learn."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.lora import LowRank, add_lora, fold_lora, read_lora
from vidskim.models.text import TextTransformer
from vidskim.models.variants import TextConfig, VitConfig
from vidskim.models.vit import VisionTransformer

VISION = VitConfig(
    width=48, layers=3, heads=4, patch=8, image=32, hidden=80, activation="quick_gelu", eps=1e-5, embed=24
)
TEXT = TextConfig(
    width=40, layers=2, heads=5, hidden=72, context=12, vocabulary=50, embed=24, activation="gelu", eps=1e-5
)
Tower = VisionTransformer | TextTransformer


@pytest.fixture
def towers(generator: torch.Generator) -> tuple[VisionTransformer, TextTransformer]:
    towers = (VisionTransformer(VISION), TextTransformer(TEXT))
    for tower in towers:
        for parameter in tower.parameters():
            parameter.data.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return towers


def run(tower: Tower, generator: torch.Generator) -> Callable[[Tower], Tensor]:
    if isinstance(tower, VisionTransformer):
        pixels = torch.randn(2, 3, 32, 32, generator=generator)
        return lambda tower: tower(tower.embed(pixels))  # type: ignore[operator, no-any-return]
    ids = torch.randint(0, 50, (3, 12), generator=generator)
    return lambda tower: tower(ids)  # type: ignore[no-any-return]


@pytest.mark.parametrize("which", [0, 1])
def test_beside_and_inside_are_the_same(
    towers: tuple[VisionTransformer, TextTransformer], generator: torch.Generator, which: int
) -> None:
    tower = towers[which]
    forward = run(tower, generator)
    state = {name: value.clone() for name, value in tower.state_dict().items()}
    before = forward(tower).detach()
    add_lora(tower, rank=3, generator=generator)
    assert torch.equal(forward(tower), before)  # B is zero
    additions = [p for name, p in tower.named_parameters() if name.endswith(("down", "up"))]
    with torch.no_grad():
        for parameter in additions:
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    beside = forward(tower)
    assert not torch.allclose(beside, before, atol=1e-2)

    found = read_lora(tower)
    assert list(found) == list(range(len(tower.blocks)))
    folded = type(tower)(tower.config)  # type: ignore[arg-type]
    folded.load_state_dict(fold_lora(state, found))
    torch.testing.assert_close(forward(folded), beside, atol=1e-4, rtol=1e-4)

    beside.square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.abs().sum() > 0) for parameter in additions)
    learning = [name for name, parameter in tower.named_parameters() if parameter.requires_grad]
    assert len(learning) == 2 * len(tower.blocks)
    assert sum(parameter.numel() for parameter in additions) == len(tower.blocks) * 3 * 4 * tower.config.width


def test_published_number_of_parameters() -> None:
    """Of CLIP B/32 and its text tower at rank 8: 294,912 and 196,608."""
    sizes = []
    for width in (768, 512):
        config = VitConfig(
            width=width, layers=12, heads=8, patch=32, image=224, hidden=4, activation="gelu", eps=1e-5
        )
        tower = VisionTransformer(config)
        add_lora(tower, generator=torch.Generator().manual_seed(0))
        sizes.append(sum(p.numel() for p in tower.parameters() if p.requires_grad))
    assert sizes == [294_912, 196_608]


def test_first_values(towers: tuple[VisionTransformer, TextTransformer]) -> None:
    twice = []
    for tower in (towers[0], VisionTransformer(VISION)):
        add_lora(tower, rank=8, generator=torch.Generator().manual_seed(1))
        twice.append(read_lora(tower))
    for first, second in zip(twice[0].values(), twice[1].values(), strict=True):
        assert torch.equal(first.down, second.down)
        assert float(first.down.abs().max()) <= 48**-0.5
        assert not bool(first.up.any())
    assert not torch.equal(twice[0][0].down, twice[0][1].down)


def test_sixteen_bit_weights_are_rounded_once() -> None:
    weight = torch.randn(6, 2).half()
    pair = LowRank(torch.randn(1, 2), torch.randn(6, 1))
    folded = fold_lora({"blocks.0.attention.qkv.weight": weight}, {0: pair})["blocks.0.attention.qkv.weight"]
    assert folded.dtype == torch.float32
    torch.testing.assert_close(folded, weight.float() + pair.up @ pair.down)


def test_what_does_not_fit_is_named(towers: tuple[VisionTransformer, TextTransformer]) -> None:
    state = towers[0].state_dict()
    with pytest.raises(
        CheckpointError, match=r"block 0 has shapes \[\[8, 40\], \[120, 8\]\], .* is \[144, 48\]"
    ):
        fold_lora(state, {0: LowRank(torch.zeros(8, 40), torch.zeros(120, 8))})
    with pytest.raises(CheckpointError, match=r"LoRA of block 7 .* there is absent"):
        fold_lora(state, {7: LowRank(torch.zeros(8, 48), torch.zeros(144, 8))})
    with pytest.raises(SettingsError, match="rank of LoRA is 1 or more; received 0"):
        add_lora(towers[0], rank=0, generator=torch.Generator())
