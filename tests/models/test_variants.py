"""Configurations, the position table for other grids, and weights rewritten without changing the function."""

import dataclasses

import pytest
import torch
from torch import Tensor

from vidskim.models.text import TextTransformer
from vidskim.models.variants import TextConfig, VitConfig, clip_vit, fold_quick_gelu, resize_positions
from vidskim.models.vit import VisionTransformer

SMALL = VitConfig(
    width=24, layers=2, heads=3, patch=8, image=32, hidden=40, activation="quick_gelu", eps=1e-5, embed=16
)


def test_sizes_follow_from_the_numbers() -> None:
    assert (SMALL.grid, SMALL.patches, SMALL.prefix, SMALL.dim) == (4, 16, 1, 16)
    other = dataclasses.replace(SMALL, registers=4, embed=None)
    assert (other.prefix, other.dim) == (5, 24)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"heads": 5}, "width 24 is not divisible by 5 heads"),
        ({"image": 30}, "image side 30 is not a multiple of the patch side 8"),
    ],
)
def test_numbers_that_do_not_fit(change: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **change)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("B/32", 87_849_216), ("B/16", 86_192_640), ("L/14", 303_966_208), ("L/14@336", 304_293_888)],
)
def test_published_sizes(name: str, parameters: int) -> None:
    with torch.device("meta"):
        model = VisionTransformer(clip_vit(name))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_the_same_grid_is_the_same_table(generator: torch.Generator) -> None:
    table = torch.randn(17, 8, generator=generator)
    assert resize_positions(table, prefix=1, grid=4) is table


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("grid", [2, 7])
def test_prefix_rows_stay_and_a_flat_table_stays_flat(
    generator: torch.Generator, grid: int, antialias: bool
) -> None:
    table = torch.cat([torch.randn(3, 8, generator=generator), torch.full((16, 8), 0.5)])
    resized = resize_positions(table, prefix=3, grid=grid, antialias=antialias)
    assert resized.shape == (3 + grid * grid, 8)
    assert torch.equal(resized[:3], table[:3])
    torch.testing.assert_close(resized[3:], torch.full((grid * grid, 8), 0.5))


def test_rows_and_columns_keep_their_places() -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    table = torch.cat([torch.zeros(1, 2), torch.stack([rows.flatten(), columns.flatten()], dim=1)])
    resized = resize_positions(table, prefix=1, grid=16)[1:].view(16, 16, 2)
    inner = slice(4, 12)  # away from the border a slope stays a slope, but for PyTorch's kernel
    expected = (torch.arange(16.0) + 0.5) / 2 - 0.5
    torch.testing.assert_close(resized[inner, 8, 0], expected[inner], atol=0.06, rtol=0)
    torch.testing.assert_close(resized[8, inner, 1], expected[inner], atol=0.06, rtol=0)


def random_state(model: torch.nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    return {
        name: 0.4 * torch.randn(value.shape, generator=generator)
        for name, value in model.state_dict().items()
    }


def test_folding_leaves_the_vision_tower_as_it_was(generator: torch.Generator) -> None:
    plain = VisionTransformer(SMALL)
    state = random_state(plain, generator)
    plain.load_state_dict(state)
    config, folded_state = fold_quick_gelu(SMALL, state)
    assert config == dataclasses.replace(SMALL, activation="silu")
    folded = VisionTransformer(config)
    folded.load_state_dict(folded_state)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    with torch.inference_mode():
        ours, theirs = folded(folded.embed(pixels)), plain(plain.embed(pixels))
    torch.testing.assert_close(ours / theirs.norm(), theirs / theirs.norm(), atol=1e-6, rtol=0)


def test_folding_leaves_the_text_tower_as_it_was(generator: torch.Generator) -> None:
    config = TextConfig(
        width=24,
        layers=2,
        heads=3,
        hidden=40,
        context=8,
        vocabulary=30,
        embed=16,
        activation="quick_gelu",
        eps=1e-5,
    )
    plain = TextTransformer(config)
    state = random_state(plain, generator)
    plain.load_state_dict(state)
    folded_config, folded_state = fold_quick_gelu(config, state)
    folded = TextTransformer(folded_config)
    folded.load_state_dict(folded_state)
    ids = torch.randint(0, 30, (3, 8), generator=generator)
    with torch.inference_mode():
        ours, theirs = folded(ids), plain(ids)
    torch.testing.assert_close(ours / theirs.norm(), theirs / theirs.norm(), atol=1e-6, rtol=0)


def test_folding_does_not_round_16_bit_weights_again(generator: torch.Generator) -> None:
    state = {"blocks.0.mlp.fc1.weight": torch.randn(40, 24, generator=generator).half()}
    _, folded = fold_quick_gelu(SMALL, state)
    value = folded["blocks.0.mlp.fc1.weight"]
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, state["blocks.0.mlp.fc1.weight"].float() * 1.702)


def test_other_activations_are_not_folded() -> None:
    config = dataclasses.replace(SMALL, activation="gelu")
    state: dict[str, Tensor] = {}
    folded_config, folded_state = fold_quick_gelu(config, state)
    assert folded_config is config
    assert folded_state is state
