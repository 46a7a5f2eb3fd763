"""A tiny trunk, and segments for it."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from vidskim.methods.layout import Layout, Segment, lay_out, regular
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer

CONFIG = VitConfig(
    width=32,
    layers=3,
    heads=2,
    patch=8,
    image=32,
    hidden=64,
    activation="gelu",
    eps=1e-6,
    embed=16,
    norm_pre=True,
)


@pytest.fixture
def trunk() -> VisionTransformer:
    """Random weights, every one of them away from its initial value."""
    model = VisionTransformer(CONFIG).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def segment(frames: int, *, seed: int = 0, motion: bool = False) -> Segment:
    """Random pixels that change slowly, one frame a second."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(frames, 3, 32, 32, generator=generator) * 0.3
    vectors = torch.rand(frames, 4, 4, generator=generator) if motion else None
    return Segment(steps.cumsum(0), np.arange(frames, dtype=np.float64), vectors, 0)


def laid_out(segments: Sequence[Segment], *, interleave: int, lookahead: bool) -> Layout:
    """Segments in regular groups."""
    groupings = [regular(len(one.pixels), interleave=interleave, lookahead=lookahead) for one in segments]
    return lay_out(segments, groupings)
