"""Crops of clips by chance, alike for all frames."""

from math import exp, log

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidskim.video.prepare import INTERPOLATIONS, Preparation

Frames = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom
NARROWEST = 3 / 4  # width over height of a crop; the widest is its inverse
ATTEMPTS = 10


def draw_box(height: int, width: int, *, least: float, generator: np.random.Generator) -> Box:
    """A crop of a frame by chance: its area, then its shape, then its place; the largest centred square if none fits.

    Args:
        height: of the frame.
        width: of the frame.
        least: smallest share of the frame's area.
        generator: decides.

    Source: Szegedy et al., Going deeper with convolutions, CVPR 2015, section 6, with narrower limits.
    """
    for _ in range(ATTEMPTS):
        area = height * width * generator.uniform(least, 1.0)
        shape = exp(generator.uniform(log(NARROWEST), -log(NARROWEST)))
        w, h = round((area * shape) ** 0.5), round((area / shape) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            left, top = int(generator.integers(width - w + 1)), int(generator.integers(height - h + 1))
            return left, top, left + w, top + h
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def crop_clip(frames: Frames, box: Box, preparation: Preparation, *, mirror: bool = False) -> Frames:
    """The same part of every frame at the model's size: uint8 [t, y, x, 3] -> [t, size, size, 3].

    Args:
        frames: of one clip.
        box: of `draw_box`.
        preparation: of the model; its size and interpolation.
        mirror: left for right.
    """
    size, how = (preparation.size, preparation.size), INTERPOLATIONS[preparation.interpolation]
    resized = [np.asarray(Image.fromarray(frame).resize(size, how, box=box)) for frame in frames]
    clip = np.stack(resized)
    return np.ascontiguousarray(clip[:, :, ::-1]) if mirror else clip
