"""ResidualViT against numbers computed with its authors' code (they are in tests/fixtures)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.methods.conftest import segment

import vidskim
from vidskim.methods.residual import Residual, ResidualTokenizer
from vidskim.models.vit import VisionTransformer
from vidskim.tokens.select import random_scores, top

FIXTURES = Path(__file__).parents[1] / "fixtures"
CONFIG = {"heads": 4, "activation": "quick_gelu", "eps": 1e-5}


@pytest.fixture(scope="module")
def expected() -> dict[str, torch.Tensor]:
    return load_file(FIXTURES / "residualvit_clip.safetensors")


@pytest.mark.parametrize("per_patch", [False, True])
def test_the_authors_features_are_reproduced(expected: dict[str, torch.Tensor], per_patch: bool) -> None:
    model = vidskim.load_model(
        FIXTURES / "residualvit_weights.safetensors",
        method="residual",
        interleave=2,
        keep=0.15,
        config=CONFIG,
        dtype="float32",
    )
    motion = expected["motion"]
    if per_patch:
        motion = motion.view(3, 7, 16, 7, 16).sum(dim=(2, 4))
    features, trace = model.encode_pixels(expected["pixels"], motion, trace=True)
    torch.testing.assert_close(features.vectors, expected["output"], atol=1e-5, rtol=0)
    assert torch.equal(trace.kept, expected["kept"])
    assert trace.frames.tolist() == [1, 2]
    assert features.kinds.tolist() == ["I", "P", "P"]


def test_both_groups_of_the_authors_video_are_reproduced(expected: dict[str, torch.Tensor]) -> None:
    """Every tensor of the fixture but its weights: pixels, motion, kept patches, I-features, features."""
    second = load_file(FIXTURES / "residualvit_second_group.safetensors")
    model = vidskim.load_model(
        FIXTURES / "residualvit_weights.safetensors", method="residual", config=CONFIG, dtype="float32"
    )
    pixels, motion, output, kept = (
        torch.cat([expected[name], second[name]]) for name in ("pixels", "motion", "output", "kept")
    )
    features, trace = model.encode_pixels(pixels, motion, trace=True)
    torch.testing.assert_close(features.vectors, output, atol=1e-5, rtol=0)
    torch.testing.assert_close(features.vectors[[0, 3]], second["i_features"], atol=1e-5, rtol=0)
    assert torch.equal(trace.kept, kept)
    assert "".join(features.kinds) == "IPPIPP"
    signed = model.with_method("residual", select="motion-signed").encode_pixels(pixels, motion)
    assert torch.equal(signed.vectors, features.vectors)  # maps that are handed in are used as they are


def test_random_dropping_draws_as_the_authors_do(expected: dict[str, torch.Tensor]) -> None:
    drawn = top(random_scores(12, 49, torch.Generator().manual_seed(3)), 7)
    assert torch.equal(drawn, expected["random_kept"])


def test_a_deep_tokenizer_is_linear_relu_linear() -> None:
    tokenizer = ResidualTokenizer(dim=4, width=6, depth=2)
    assert sorted(tokenizer.state_dict()) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tokenizer(x), tokenizer[2](tokenizer[0](x).relu()))


def test_the_residual_token_matters(trunk: VisionTransformer) -> None:
    outputs = []
    for bias in (0.0, 1.0):
        tokenizer = ResidualTokenizer(dim=16, width=32).requires_grad_(False)
        torch.nn.init.zeros_(tokenizer[0].weight)
        tokenizer[0].bias.copy_(bias * torch.linspace(-1, 1, 32))
        method = Residual(tokenizer=tokenizer, std=torch.ones(3), select="center")
        outputs.append(method.encode(trunk, [segment(3)])[0].vectors)
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert not torch.allclose(outputs[0][1:], outputs[1][1:], atol=1e-3)
