"""The vision tower's own promises; that it equals transformers is tested with the layouts."""

import copy
import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer, unit

CLIP = VitConfig(
    width=24,
    layers=3,
    heads=3,
    patch=8,
    image=32,
    hidden=40,
    activation="quick_gelu",
    eps=1e-5,
    embed=16,
    norm_pre=True,
    patch_bias=False,
)
DINOV2 = dataclasses.replace(
    CLIP, activation="gelu", embed=None, norm_pre=False, patch_bias=True, registers=2, layer_scale=True
)


def make(config: VitConfig, generator: torch.Generator) -> VisionTransformer:
    model = VisionTransformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return model.eval().requires_grad_(False)


@pytest.fixture(params=[CLIP, DINOV2], ids=["clip", "dinov2"])
def model(request: pytest.FixtureRequest, generator: torch.Generator) -> VisionTransformer:
    return make(request.param, generator)


@pytest.fixture
def pixels(generator: torch.Generator) -> Tensor:
    return torch.randn(3, 3, 32, 32, generator=generator)


def test_patches_are_a_convolution_row_by_row(model: VisionTransformer, pixels: Tensor) -> None:
    config = model.config
    kernel = model.patch.weight.view(config.width, 3, config.patch, config.patch)
    patches = F.conv2d(pixels, kernel, model.patch.bias, stride=config.patch).flatten(2).transpose(1, 2)
    x = model.embed(pixels)
    assert x.shape == (3, config.prefix + 16, config.width)
    torch.testing.assert_close(x[:, config.prefix :], patches + model.positions[1:])
    torch.testing.assert_close(x[0, 0], model.class_token + model.positions[0])
    torch.testing.assert_close(x[0, 1 : config.prefix], model.registers)  # registers have no position


def test_kept_patches_are_those_of_all(
    model: VisionTransformer, pixels: Tensor, generator: torch.Generator
) -> None:
    kept = torch.stack([torch.randperm(16, generator=generator)[:5] for _ in range(3)])
    prefix = model.config.prefix
    whole, some = model.embed(pixels), model.embed(pixels, kept)
    torch.testing.assert_close(some[:, :prefix], whole[:, :prefix])
    for row in range(3):
        torch.testing.assert_close(some[row, prefix:], whole[row, prefix + kept[row]])


def test_all_patches_kept_in_any_order_give_the_full_feature(
    model: VisionTransformer, pixels: Tensor, generator: torch.Generator
) -> None:
    kept = torch.stack([torch.randperm(16, generator=generator) for _ in range(3)])
    expected = model(model.embed(pixels))
    assert expected.shape == (3, model.config.dim)
    torch.testing.assert_close(model(model.embed(pixels, kept)), expected, atol=1e-5, rtol=1e-5)


def test_the_last_block_for_one_token_is_the_last_block(model: VisionTransformer, pixels: Tensor) -> None:
    x = model.norm_pre(model.embed(pixels))
    for layer, block in enumerate(model.blocks):
        x = block(x, layer=layer, reduction=Reduction())
    torch.testing.assert_close(model(model.embed(pixels)), model.project(x[:, 0]), atol=1e-6, rtol=1e-5)


def test_a_batch_is_its_images(model: VisionTransformer, pixels: Tensor) -> None:
    rows = torch.cat([model(model.embed(image[None])) for image in pixels])
    torch.testing.assert_close(model(model.embed(pixels)), rows, atol=1e-5, rtol=1e-5)


def test_copies_and_repeats_give_the_same(model: VisionTransformer, pixels: Tensor) -> None:
    first = model(model.embed(pixels))
    other = copy.deepcopy(model)
    assert torch.equal(model(model.embed(pixels)), first)
    assert torch.equal(other(other.embed(pixels)), first)


class Record(Reduction):
    def __init__(self) -> None:
        self.layers: list[tuple[str, int]] = []

    def begin(self, x: Tensor) -> Tensor:
        self.layers.append(("begin", -1))
        return x

    def attend(self, layer: int, *parts: Tensor) -> Tensor:
        self.layers.append(("attend", layer))
        return super().attend(layer, *parts)

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        self.layers.append(("after_block", layer))
        return x


def test_hooks_see_every_layer_and_the_last_only_attends(model: VisionTransformer, pixels: Tensor) -> None:
    record = Record()
    model(model.embed(pixels), record)
    assert record.layers == [
        ("begin", -1),
        ("attend", 0),
        ("after_block", 0),
        ("attend", 1),
        ("after_block", 1),
        ("attend", 2),
    ]


@pytest.mark.parametrize("shape", [(1, 3, 32, 40), (1, 3, 24, 24), (1, 1, 32, 32)])
def test_other_image_sizes_are_refused(model: VisionTransformer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected pixels \[b, 3, 32, 32\], received"):
        model.embed(torch.zeros(shape))


def test_weights_decide_the_type(pixels: Tensor, generator: torch.Generator) -> None:
    model: Any = make(CLIP, generator).bfloat16()
    with torch.inference_mode():
        out = model(model.embed(pixels))
    assert out.dtype == model.dtype == torch.bfloat16


def test_unit_vectors_are_float32() -> None:
    vectors = unit(torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.bfloat16))
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
