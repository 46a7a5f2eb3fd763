"""RandAugment: a few changes of colour or shape by chance, drawn once for a video and made alike in all its frames.

Source: Cubuk et al., RandAugment, 2020; strengths that vary and "increase", as TempMe trains with (m7, n4, mstd 0.5,
each with probability 0.5).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

Frames = NDArray[np.uint8]
Change = Callable[[Image.Image], Image.Image]
GREY = (128, 128, 128)  # where a shifted or turned picture leaves nothing
MOST = 10.0  # a strength; what 1 is of it is stated below
TURN, SHEAR, SHIFT = 30.0, 0.3, 0.45  # degrees, share, share of the side at full strength
ENHANCE, LEAST_ENHANCE = 0.9, 0.1
POSTERIZE_BITS, SOLARIZE, SOLARIZE_ADD = 4, 256, 110


@dataclass(frozen=True, kw_only=True)
class RandAugment:
    """What training videos undergo.

    Args:
        changes: drawn for each video.
        strength: their mean strength, 0 to 10.
        spread: standard deviation of the strength.
        share: of the drawn changes that are made.
    """

    changes: int = 4
    strength: float = 7.0
    spread: float = 0.5
    share: float = 0.5

    def draw(self, generator: np.random.Generator) -> list[Change]:
        """The changes of one video, in order."""
        drawn = []
        for number in generator.integers(len(CHANGES), size=self.changes):
            strength = float(np.clip(generator.normal(self.strength, self.spread), 0, MOST)) / MOST
            sign = 1.0 if generator.random() < 0.5 else -1.0
            if generator.random() < self.share:
                drawn.append(CHANGES[int(number)](strength, sign))
        return drawn


def change_frames(frames: Frames, changes: list[Change]) -> Frames:
    """The same changes in every frame: uint8 [t, y, x, 3] -> the same shape."""
    if not changes:
        return frames
    changed = []
    for frame in frames:
        picture = Image.fromarray(frame)
        for change in changes:
            picture = change(picture)
        changed.append(np.asarray(picture))
    return np.stack(changed)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Callable[[float, float], Change]:
    def make(strength: float, sign: float) -> Change:
        factor = max(LEAST_ENHANCE, 1 + sign * strength * ENHANCE)
        return lambda picture: kind(picture).enhance(factor)

    return make


def _affine(matrix: Callable[[float, int, int], tuple[float, ...]]) -> Callable[[float, float], Change]:
    def make(strength: float, sign: float) -> Change:
        def change(picture: Image.Image) -> Image.Image:
            data = matrix(sign * strength, *picture.size)
            return picture.transform(
                picture.size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC, fillcolor=GREY
            )

        return change

    return make


def _rotate(strength: float, sign: float) -> Change:
    angle = sign * strength * TURN
    return lambda picture: picture.rotate(angle, Image.Resampling.BICUBIC, fillcolor=GREY)


def _posterize(strength: float, sign: float) -> Change:
    bits = POSTERIZE_BITS - int(strength * POSTERIZE_BITS)
    return lambda picture: ImageOps.posterize(picture, bits) if bits else Image.new("RGB", picture.size)


def _solarize(strength: float, sign: float) -> Change:
    threshold = SOLARIZE - int(strength * SOLARIZE)
    return lambda picture: ImageOps.solarize(picture, threshold)


def _solarize_add(strength: float, sign: float) -> Change:
    added = int(strength * SOLARIZE_ADD)
    table = [min(255, value + added) if value < 128 else value for value in range(256)] * 3
    return lambda picture: picture.point(table)


CHANGES: tuple[Callable[[float, float], Change], ...] = (
    lambda strength, sign: ImageOps.autocontrast,
    lambda strength, sign: ImageOps.equalize,
    lambda strength, sign: ImageOps.invert,
    _rotate,
    _posterize,
    _solarize,
    _solarize_add,
    _enhance(ImageEnhance.Color),
    _enhance(ImageEnhance.Contrast),
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Sharpness),
    _affine(lambda s, width, height: (1, s * SHEAR, 0, 0, 1, 0)),
    _affine(lambda s, width, height: (1, 0, 0, s * SHEAR, 1, 0)),
    _affine(lambda s, width, height: (1, 0, s * SHIFT * width, 0, 1, 0)),
    _affine(lambda s, width, height: (1, 0, 0, 0, 1, s * SHIFT * height)),
)
