"""Sizes, crops and the turning of stored frames into displayed ones. Plain arithmetic on arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError


def fit_short_side(y: int, x: int, side: int) -> tuple[int, int]:
    """Height and width after a resize that makes the shorter one `side`; the longer is rounded down.

    Source: torchvision.transforms.Resize, which CLIP's published preparation uses.
    """
    if side < 1:
        raise SettingsError(f"the short side must be 1 or more pixels, received {side}")
    if y <= x:
        return side, int(side * x / y)
    return int(side * y / x), side


def centre_box(y: int, x: int, size: int) -> tuple[int, int, int, int]:
    """Top, left, bottom, right (half-open) of the centred square; odd remainders round half to even."""
    if size > min(y, x):
        raise SettingsError(f"a crop of {size} does not fit in a frame of {x}x{y} pixels")
    top, left = round((y - size) / 2.0), round((x - size) / 2.0)
    return top, left, top + size, left + size


def box_along(y: int, x: int, size: int, *, along: float) -> tuple[int, int, int, int]:
    """As `centre_box`, moved along the longer side: its start is at `along`, 0 to 1, of the room there, rounded down.

    Source: the crops of VideoMAE's evaluation.
    """
    top, left, _, _ = centre_box(y, x, size)
    if y >= x:
        top = int(along * (y - size))
    else:
        left = int(along * (x - size))
    return top, left, top + size, left + size


@dataclass(frozen=True)
class Orientation:
    """How a stored frame becomes the displayed one: first transpose, then flip; eight cases in all."""

    transpose: bool = False
    flip_y: bool = False
    flip_x: bool = False

    @classmethod
    def from_matrix(cls, matrix: npt.NDArray[np.int32]) -> "Orientation":
        """From the nine numbers of a display matrix.

        The stored pixel (x, y) is shown at (a x + c y, b x + d y), with a, b, c, d at places 0, 1, 3, 4. Any other
        angle is rounded to the nearest quarter turn.
        """
        a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transpose=True, flip_y=b < 0, flip_x=c < 0)
        return cls(transpose=False, flip_y=d < 0, flip_x=a < 0)

    @property
    def mirrored(self) -> bool:
        """Whether the displayed frame is a mirror image of the stored one."""
        return self.transpose ^ self.flip_y ^ self.flip_x

    @property
    def rotation(self) -> int:
        """Degrees clockwise; a mirrored frame is flipped left to right after this turn."""
        flip_x = self.flip_x ^ self.mirrored
        if self.transpose:
            return 90 if flip_x else 270
        return 180 if self.flip_y else 0

    @property
    def signs(self) -> tuple[int, int]:
        """What a stored step to the right and one down add to the displayed x + y: 1 or -1 each."""
        x, y = -1 if self.flip_x else 1, -1 if self.flip_y else 1
        return (y, x) if self.transpose else (x, y)

    def size(self, y: int, x: int) -> tuple[int, int]:
        """Displayed height and width of a stored frame, or the other way round."""
        return (x, y) if self.transpose else (y, x)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Turn [y, x, ...]; returns a view."""
        if self.transpose:
            array = array.swapaxes(0, 1)
        return array[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
