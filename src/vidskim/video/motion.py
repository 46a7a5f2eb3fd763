"""Where a video moves: the codec's own motion vectors as maps, or the difference between frames.

PyTorch is imported by the one function that needs it: reading a video goes without, and processes that only read
start in a fraction of the time and memory.
"""

from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import islice, product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError
from vidskim.video.geometry import centre_box, fit_short_side

if TYPE_CHECKING:
    from torch import Tensor

    from vidskim.video.prepare import Preparation

Map = npt.NDArray[np.float32]
CELL = 8  # stored pixels; the smallest block codecs export
REACH = 5  # native frames on each side that are summed
SEARCH, SEARCH_STEP = 8, 2  # pixels a patch is sought each way, and between the places tried


def map_size(y: int, x: int) -> tuple[int, int]:
    """Cells of the map of a stored frame: one for about 8x8 pixels, dividing the frame evenly."""
    return max(1, -(-y // CELL)), max(1, -(-x // CELL))


def draw_vectors(vectors: np.ndarray, y: int, x: int, *, signs: tuple[int, int] | None = None) -> Map:
    """The motion in each cell, stored pixels per native frame: the mean over the blocks that cover it.

    A block of a frame between two references may have two vectors; both count. Cells without vectors are 0.

    Args:
        vectors: structured array as the decoder exports it, with dst_x and dst_y at block centres.
        y: stored height.
        x: stored width.
        signs: None draws the length of the motion; two signs draw signs[0] * right + signs[1] * down instead, so that
            opposing motion cancels.

    Returns:
        float32 [my, mx].
    """
    rows, columns = map_size(y, x)
    size = rows * columns
    if signs is None:
        amount = np.hypot(vectors["motion_x"], vectors["motion_y"])
    else:  # vectors point to where a block came from, or with a later reference to where it goes
        amount = signs[0] * vectors["motion_x"] + signs[1] * vectors["motion_y"]
        amount = amount * np.sign(vectors["source"])
    length = amount / np.maximum(vectors["motion_scale"], 1)
    width, height = vectors["w"].astype(np.int32), vectors["h"].astype(np.int32)
    # The middle of a block's first cell; a block of 16 pixels has a second one 8 further.
    left = vectors["dst_x"] - width // 2 + np.minimum(width, CELL) // 2
    top = vectors["dst_y"] - height // 2 + np.minimum(height, CELL) // 2
    cells, lengths = [], []
    for down, right in ((0, 0), (0, CELL), (CELL, 0), (CELL, CELL)):
        row, column = (top + down) * rows // y, (left + right) * columns // x
        covered = (height > down) & (width > right)
        covered &= (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        cells.append((row * columns + column)[covered])
        lengths.append(length[covered])
    cell = np.concatenate(cells)
    total = np.bincount(cell, np.concatenate(lengths), size)
    mean = total / np.maximum(np.bincount(cell, minlength=size), 1)
    return mean.reshape(rows, columns).astype(np.float32)


class MotionWindow:
    """Sums of maps around some frames of a stream, holding no more maps than the window needs."""

    def __init__(self) -> None:
        self._maps: deque[Callable[[], Map]] = deque(maxlen=2 * REACH + 2)
        self._count = 0
        self._asked: deque[int] = deque()
        self._sums: dict[int, Map] = {}

    def add(self, draw: Callable[[], Map]) -> None:
        """Append the next native frame; its map is drawn once, and only if a window needs it."""
        self._maps.append(cache(draw))
        self._count += 1
        while self._asked and self._asked[0] + REACH < self._count:
            self._sum_next()

    def ask(self, frame: int) -> None:
        """Want the sum around native frame `frame`, the newest one or the one before."""
        if frame not in self._sums and frame not in self._asked:
            self._asked.append(frame)

    def finish(self) -> None:
        """No more maps: sum what is there."""
        while self._asked:
            self._sum_next()

    def is_ready(self, frame: int) -> bool:
        """Whether `take(frame)` can be called: the frames after it were added too."""
        return frame in self._sums

    def take(self, frame: int) -> Map:
        """Sum of the maps `frame` - 5 to `frame` + 5, as far as they exist. Forgets the sums of earlier frames."""
        self._sums = {asked: total for asked, total in self._sums.items() if asked >= frame}
        return self._sums[frame]

    def _sum_next(self) -> None:
        frame = self._asked.popleft()
        oldest = self._count - len(self._maps)
        first = max(frame - REACH - oldest, 0)
        window = [draw() for draw in islice(self._maps, first, frame + REACH + 1 - oldest)]
        self._sums[frame] = np.sum(window, axis=0, dtype=np.float32)


def patch_motion(
    motion: Map, frame_size: tuple[int, int], preparation: "Preparation", grid: tuple[int, int]
) -> Map:
    """Mean motion in each patch of the resized and centre-cropped frame.

    Args:
        motion: float32 [t, my, mx], cells dividing the displayed frame evenly, as in `Clip.motion`.
        frame_size: height and width of the displayed frame.
        preparation: how frames are resized and cropped.
        grid: patches down and across.

    Returns:
        float32 [t, gy, gx], in the unit of `motion`: the mean weighted by overlap.
    """
    if motion.ndim != 3:
        raise SettingsError(f"motion must be [t, my, mx], received {list(motion.shape)}")
    resized = fit_short_side(*frame_size, preparation.resize)
    top, left, bottom, right = centre_box(*resized, preparation.size)
    down = _overlap(motion.shape[1], grid[0], top / resized[0], bottom / resized[0])
    across = _overlap(motion.shape[2], grid[1], left / resized[1], right / resized[1])
    return np.asarray(down @ motion @ across.T, dtype=np.float32)


def _overlap(cells: int, patches: int, start: float, end: float) -> Map:
    """[patches, cells]: share of each patch, on start..end of the unit line, that lies in each cell of 0..1."""
    edges = np.linspace(start, end, patches + 1) * cells
    cell = np.arange(cells)
    high, low = np.minimum(edges[1:, None], cell + 1), np.maximum(edges[:-1, None], cell)
    shared = np.maximum(high - low, 0.0)
    return np.asarray(shared / shared.sum(1, keepdims=True), dtype=np.float32)


def pixel_difference(frames: "Tensor", others: "Tensor", *, std: "Tensor", grid: int) -> "Tensor":
    """Mean absolute difference of two frames in each patch, with pixels back in 0..1. Works for any video.

    Args:
        frames: normalised pixels [b, 3, y, x]; the grid must divide y and x.
        others: the frames they are compared with [b, 3, y, x].
        std: the normalisation's standard deviation [3]; its mean cancels.
        grid: patches along one side.

    Returns:
        [b, grid * grid] in 0..1, row-major.
    """
    y, x = frames.shape[-2:]
    if y % grid or x % grid:
        raise SettingsError(f"a grid of {grid}x{grid} patches does not divide {y}x{x} pixels")
    change = (frames - others).abs_()
    weight = std.to(frames) * (grid * grid / (3 * y * x))
    # rows of a patch first: b c (gy p) x -> b c gy x, then channels, then b gy (gx p) -> b gy gx
    rows = change.view(-1, 3, grid, y // grid, x).sum(dim=3)
    cells = (rows * weight[:, None, None]).sum(dim=1).view(-1, grid, grid, x // grid).sum(dim=3)
    return cells.flatten(1)


def compensated_difference(frames: "Tensor", others: "Tensor", *, std: "Tensor", grid: int) -> "Tensor":
    """What motion compensation leaves: each patch's least mean absolute difference to a place nearby.

    Block matching on brightness, pixels in 0..1, over displacements of up to `SEARCH` pixels each way; beyond the
    border the other frame repeats its edge. Arguments and result as `pixel_difference`.
    """
    import torch

    y, x = frames.shape[-2:]
    weight = (std.to(frames) / 3)[:, None, None]
    grey, other = ((pixels * weight).sum(dim=1, keepdim=True) for pixels in (frames, others))
    padded = torch.nn.functional.pad(other, (SEARCH,) * 4, mode="replicate")
    steps = range(0, 2 * SEARCH + 1, SEARCH_STEP)
    left = torch.full((len(frames), grid * grid), torch.inf, device=frames.device)
    for down, right in product(steps, steps):
        change = (grey - padded[..., down : down + y, right : right + x]).abs_()
        # b 1 (gy p) (gx q) -> b gy gx
        cells = change.view(-1, grid, y // grid, x).sum(dim=2).view(-1, grid, grid, x // grid).sum(dim=3)
        left = torch.minimum(left, cells.flatten(1))
    return left * (grid * grid / (y * x))
