"""A VideoMAE with random weights, small enough for tests of what stands above it."""

import torch

from vidskim.fingerprint import Fingerprint
from vidskim.methods.clips import FullClip
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.video.prepare import Preparation

TINY = VideoVitConfig(
    width=24,
    layers=3,
    heads=3,
    patch=8,
    tubelet=2,
    frames=8,
    image=32,
    hidden=40,
    classes=3,
    activation="gelu",
    eps=1e-6,
    head_eps=1e-6,
)
LABELS = ("walks", "jumps", "sleeps")


def make_classifier(seed: int = 0) -> VideoClassifier:
    """8 frames of 32 pixels, 4 slices of 16 tokens, three classes."""
    generator = torch.Generator().manual_seed(seed)
    trunk = VideoTransformer(TINY).eval().requires_grad_(False)
    for parameter in trunk.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    preparation = Preparation(32, 32, (0.5,) * 3, (0.5,) * 3, "bilinear")
    made = Fingerprint("tiny", "0" * 64, preparation.to_dict(), FullClip.name)
    return VideoClassifier(
        trunk,
        FullClip(),
        family="videomae",
        preparation=preparation,
        fingerprint=made,
        labels=LABELS,
        frames=8,
    )
