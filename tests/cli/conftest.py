"""A checkpoint with random weights, for verbs that need some model."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor


@pytest.fixture(scope="session")
def write_model() -> Callable[..., None]:
    """See `_write_model`."""
    return _write_model


def _write_model(path: Path, *, width: int, layers: int, patch: int, image: int, seed: int = 0) -> None:
    """A checkpoint file in CLIP's own layout with seeded random weights: image tower and residual tokenizer.

    Args:
        path: ends in ".safetensors".
        width: of the tokens, a multiple of 64.
        layers: blocks.
        patch: side of a patch in pixels.
        image: side of the input in pixels.
    """
    generator = torch.Generator().manual_seed(seed)
    embed, hidden = width // 2, 4 * width

    def random(*shape: int, scale: float) -> Tensor:
        return torch.randn(shape, generator=generator) * scale

    def norm(name: str) -> dict[str, Tensor]:
        return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}

    def linear(name: str, out: int, into: int, *, joint: str = ".") -> dict[str, Tensor]:
        return {
            f"{name}{joint}weight": random(out, into, scale=into**-0.5),
            f"{name}{joint}bias": torch.zeros(out),
        }

    state = {
        "visual.class_embedding": random(width, scale=0.3),
        "visual.positional_embedding": random((image // patch) ** 2 + 1, width, scale=0.3),
        "visual.conv1.weight": random(width, 3, patch, patch, scale=1.0 / patch),
        "visual.proj": random(width, embed, scale=width**-0.5),
        **norm("visual.ln_pre"),
        **norm("visual.ln_post"),
    }
    for layer in range(layers):
        block = f"visual.transformer.resblocks.{layer}"
        state |= norm(f"{block}.ln_1") | norm(f"{block}.ln_2")
        state |= linear(f"{block}.attn.in_proj", 3 * width, width, joint="_")
        state |= linear(f"{block}.attn.out_proj", width, width)
        state |= linear(f"{block}.mlp.c_fc", hidden, width) | linear(f"{block}.mlp.c_proj", width, hidden)
    residual = "visual.projection_residual_feature"
    state |= linear(f"{residual}.0", width, embed) | linear(f"{residual}.2", width, width)
    save_file(state, path)
