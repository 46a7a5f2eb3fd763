"""Made-up material for `doctor` and `demo`: moving test clips and a model with random weights."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidskim.video.write import write_video

Frame = NDArray[np.uint8]


def render_scene(*, frames: int, height: int, width: int, seed: int, pan: float = 0.0) -> Iterator[Frame]:
    """A textured background with moving discs, uint8 [y, x, 3] each.

    Args:
        frames: how many.
        height: pixels.
        width: pixels.
        seed: decides texture, colours and paths.
        pan: pixels the camera moves to the right in each frame.
    """
    generator = np.random.default_rng(seed)
    background = _texture(generator, height, width + int(np.ceil(abs(pan) * frames)) + 1)
    rows, columns = np.mgrid[0:height, 0:width]
    count = 3
    colours = generator.integers(30, 256, (count, 3)).astype(np.uint8)
    radii = generator.uniform(0.06, 0.14, count) * height
    start, phase = generator.uniform(0.2, 0.8, (count, 2)), generator.uniform(0, 6.28, (count, 2))
    for index in range(frames):
        left = int(abs(pan) * index)
        frame = background[:, left : left + width].copy()
        swing = 0.25 * np.sin(phase + 0.06 * index * (1 + np.arange(count))[:, None])
        for colour, radius, (y, x) in zip(colours, radii, (start + swing) * (height, width), strict=True):
            frame[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = colour
        yield frame


def _texture(generator: np.random.Generator, height: int, width: int) -> Frame:
    """Smooth noise at three scales."""
    total = torch.zeros(3, height, width)
    for cell, weight in ((48, 1.0), (12, 0.5), (4, 0.2)):
        noise = generator.standard_normal((1, 3, height // cell + 2, width // cell + 2)).astype(np.float32)
        layer = torch.nn.functional.interpolate(torch.from_numpy(noise), size=(height, width), mode="bicubic")
        total += weight * layer[0]
    pixels = (total * 45 + 120).clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())


def write_clips(folder: Path, *, seconds: float, fps: float = 15.0) -> list[Path]:
    """Three H.264 clips: two with a static camera, one that pans."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed, (name, pan) in enumerate({"static": 0.0, "busy": 0.0, "panning": 1.5}.items()):
        path = folder / f"{name}.mp4"
        scene = render_scene(frames=round(seconds * fps), height=240, width=320, seed=seed, pan=pan)
        write_video(path, scene, fps)
        paths.append(path)
    return paths


def write_model(path: Path, *, width: int, layers: int, patch: int, image: int, seed: int = 0) -> None:
    """A checkpoint file in CLIP's own layout with seeded random weights: image tower and residual tokenizer.

    Args:
        path: ends in ".safetensors".
        width: of the tokens, a multiple of 64.
        layers: blocks.
        patch: side of a patch in pixels.
        image: side of the input in pixels.
    """
    from safetensors.torch import save_file

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
