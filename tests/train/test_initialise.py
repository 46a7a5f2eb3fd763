"""First weights: from the generator alone, at CLIP's scales."""

import pytest
import torch

from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.video_vit import VideoTransformer
from vidskim.models.vit import VisionTransformer
from vidskim.train.contrastive import small_text, small_vision
from vidskim.train.curriculum import build_config
from vidskim.train.initialise import initialise


def vision(seed: int) -> VisionTransformer:
    model = VisionTransformer(small_vision())
    initialise(model, torch.Generator().manual_seed(seed))
    return model


def test_weights_follow_from_the_seed() -> None:
    first, again, other = vision(0).state_dict(), vision(0).state_dict(), vision(1).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["patch.weight"], other["patch.weight"])


def test_scales_are_clips() -> None:
    state = vision(0).state_dict()
    width, layers = 192, 6
    assert state["blocks.2.attention.qkv.weight"].std().item() == pytest.approx(width**-0.5, rel=0.05)
    shrunk = width**-0.5 * (2 * layers) ** -0.5
    assert state["blocks.2.attention.out.weight"].std().item() == pytest.approx(shrunk, rel=0.05)
    assert state["blocks.2.mlp.fc2.weight"].std().item() == pytest.approx(shrunk, rel=0.05)
    assert state["blocks.2.mlp.fc1.weight"].std().item() == pytest.approx((2 * width) ** -0.5, rel=0.05)
    assert (state["blocks.2.norm1.weight"] == 1).all()
    assert (state["blocks.2.attention.qkv.bias"] == 0).all()


def test_the_text_tower_starts_with_small_embeddings() -> None:
    text = TextTransformer(small_text(Tokenizer.learn(["a red star"], merges=10)))
    initialise(text, torch.Generator().manual_seed(0))
    assert text.tokens.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert text.positions.std().item() == pytest.approx(0.01, rel=0.05)


def test_half_of_a_video_transformers_channels_see_change_alone() -> None:
    model = VideoTransformer(build_config("tiny", classes=13))
    initialise(model, torch.Generator().manual_seed(0))
    filters = model.patch.weight.view(128, 3, 2, 8, 8)
    first, second = filters[:, :, 0], filters[:, :, 1]
    assert torch.equal(first[:64], second[:64])
    assert torch.equal(first[64:], -second[64:])
    still = torch.ones(1, 3, 2, 8, 8).flatten(1)
    assert (still @ model.patch.weight.T)[0, 64:].abs().max() < 1e-5
    assert model.head.weight.std().item() == pytest.approx(0.02, rel=0.1)
