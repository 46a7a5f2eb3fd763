"""Three-dimensional windows: which tokens attend to each other, and which row of the bias table each pair reads.

Video Swin rolls the map by a shift, cuts it into windows, and forbids pairs that only the roll brought together. The
same pairs come from cutting the map where it stands, the first cut at the shift: the windows at the border are then
smaller, nothing is rolled, and no forbidden pair is computed. The difference is that the published mask is -100 and
not infinite.

Source: Liu et al., Video Swin Transformer, CVPR 2022, section 3.2.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.models.swin_variants import Size

# Pairs of tokens whose biases are laid out at once, where every window has its own.
PAIRS = 1 << 19
# The shortest window of a group over its longest.
SHORTEST = 0.75


@dataclass(frozen=True)
class Group:
    """Windows of one length.

    Args:
        rows: where the tokens of each window lie among those of the whole batch, int64 [w, m]; one row after the
            last token is the padding.
        relative: row of the bias table for each query and key, [m, m], or [w, m, m] where windows differ.
        alive: which places hold a token or padding, bool [w, m]; None is all. The others are not attended to.
    """

    rows: Tensor
    relative: Tensor
    alive: Tensor | None = None


@dataclass(frozen=True)
class Windows:
    """All windows of a batch: each token lies in exactly one place.

    Args:
        groups: windows by length.
        tokens: number of tokens in the batch.
    """

    groups: tuple[Group, ...]
    tokens: int

    @cached_property
    def places(self) -> Tensor:
        """Where each token lies among the groups' rows, one after the other: int64 [tokens]."""
        rows = torch.cat([group.rows.flatten() for group in self.groups])
        places = rows.new_empty(self.tokens + 1)
        alive = [_filled(group.alive, group.rows).flatten() for group in self.groups]
        real = torch.cat(alive).nonzero()[:, 0]
        places[rows[real]] = real
        return places[:-1]

    @cached_property
    def has_padding(self) -> bool:
        """Whether a row after the last token is read."""
        return any(bool((group.rows == self.tokens).any()) for group in self.groups)

    @property
    def pairs(self) -> int:
        """Queries times keys, places that hold nothing included."""
        return sum(group.rows.shape[0] * group.rows.shape[1] ** 2 for group in self.groups)


def fit_window(size: Size, window: Size) -> tuple[Size, Size]:
    """The window and the shift really used: along an axis that one window covers, the map's length and no shift."""
    axes = list(zip(size, window, strict=True))
    return _size(min(length, w) for length, w in axes), _size(w // 2 * (length > w) for length, w in axes)


def padded_size(size: Size, window: Size) -> Size:
    """The map's lengths rounded up to whole windows."""
    fitted, _ = fit_window(size, window)
    return _size(-(-length // w) * w for length, w in zip(size, fitted, strict=True))


def block_pairs(size: Size, window: Size) -> tuple[int, int]:
    """Queries times keys of a dense map in a plain and in a shifted block, padding included, forbidden pairs not."""
    plain, shifted = (
        prod(
            sum(run.numel() * run.shape[1] for run in runs)
            for runs in _axis_runs(size, window, shifted=moved)
        )
        for moved in (False, True)
    )
    return plain, shifted


def dense_windows(size: Size, window: Size, *, shifted: bool, batch: int, device: torch.device) -> Windows:
    """Windows of whole maps.

    Args:
        size: slices, rows and columns of tokens in a map.
        window: the constructed window.
        shifted: whether windows are shifted by half their length.
        batch: maps, one after the other.
        device: where the tokens lie.
    """
    n = prod(size)
    starts = torch.arange(batch, device=device)[:, None, None] * n
    groups = []
    for cells, codes in _cut(size, window, shifted):
        cells = cells.to(device)
        rows = torch.where(cells < n, cells + starts, batch * n)  # b w m
        groups.append(Group(rows.flatten(0, 1), _relative(codes.to(device), window)))
    return Windows(tuple(groups), batch * n)


def filled_windows(size: Size, window: Size, *, shifted: bool, cells: Tensor) -> Windows:
    """Windows of maps of which some cells are left, the others staying as empty places: as much attention as dense.

    Args:
        size: slices, rows and columns of the map.
        window: the constructed window.
        shifted: whether windows are shifted.
        cells: the cell of each token, int64 [b, n], row-major in the map, each at most once.
    """
    groups = []
    for rows, codes in _occupied(size, window, shifted, cells):
        relative, many = _relative(codes, window), max(1, PAIRS // codes.numel() ** 2)
        groups += [_group(part, relative, cells.numel()) for part in torch.split(rows, many)]
    return Windows(tuple(groups), cells.numel())


def packed_windows(size: Size, window: Size, *, shifted: bool, cells: Tensor) -> Windows:
    """As `filled_windows`, with windows as short as what is left in them; their lengths are read on the host.

    Windows are sorted by length, and those in a group are as long as its longest.
    """
    tokens, volume = cells.numel(), prod(fit_window(size, window)[0])
    all_rows, all_codes = [], []
    for rows, codes in _occupied(size, window, shifted, cells):
        order = rows.gt(tokens).to(torch.uint8).argsort(dim=1, stable=True)
        missing = volume - codes.numel()
        all_rows.append(F.pad(rows.gather(1, order), (0, missing), value=tokens + 1))
        all_codes.append(F.pad(codes[order], (0, missing)))
    rows, codes = torch.cat(all_rows), torch.cat(all_codes)
    lengths = (rows <= tokens).sum(dim=1) * (rows < tokens).any(dim=1)  # padding alone asks nothing
    lengths, order = lengths.sort(descending=True, stable=True)
    groups, start = [], 0
    for count, m in _alike([length for length in lengths.tolist() if length]):
        own = order[start : start + count]
        groups.append(_group(rows[own, :m], _relative(codes[own, :m], window), tokens))
        start += count
    return Windows(tuple(groups), tokens)


def relative_index(window: Size) -> Tensor:
    """Row of the bias table for each pair of places in a whole window, int64 [n, n]: Swin's stored buffer."""
    ((_, codes),) = _cut(window, window, False)
    return _relative(codes, window).long()


def _relative(codes: Tensor, window: Size) -> Tensor:
    """Codes [..., m] of places -> rows of the bias table int32 [..., m, m], which are differences of codes."""
    middle = _code(*(torch.tensor(w - 1) for w in window), window=window)
    return (codes[..., :, None] - codes[..., None, :] + middle.to(codes.device)).int()


def _code(t: Tensor, y: Tensor, x: Tensor, *, window: Size) -> Tensor:
    return (t * (2 * window[1] - 1) + y) * (2 * window[2] - 1) + x


def _axis_runs(size: Size, window: Size, *, shifted: bool) -> list[list[Tensor]]:
    """For each axis its coordinates cut into windows, those of one length and place together [windows, length]."""
    fitted, shift = fit_window(size, window)
    axes = []
    for length, w, s in zip(padded_size(size, window), fitted, shift, strict=True):
        coordinates = torch.arange(length)
        if shifted and s:
            last = length - w + s
            axes.append([coordinates[:s][None], coordinates[s:last].view(-1, w), coordinates[last:][None]])
        else:
            axes.append([coordinates.view(-1, w)])
    return axes


@lru_cache(maxsize=64)
def _cut(size: Size, window: Size, shifted: bool) -> tuple[tuple[Tensor, Tensor], ...]:
    """Cells int64 [w, m] of the windows of each kind, padding being one after the last, and the places' codes [m].

    A place has its number in the fitted window, and this number's coordinates in the constructed one make its code.
    Where the window is shrunk in time only they are the place's own; in space they are what the published models read.
    """
    fitted, shift = fit_window(size, window)
    cut = []
    for t, y, x in product(*_axis_runs(size, window, shifted=shifted)):
        axes = (
            t[:, None, None, :, None, None],
            y[None, :, None, None, :, None],
            x[None, None, :, None, None, :],
        )
        inside = (axes[0] < size[0]) & (axes[1] < size[1]) & (axes[2] < size[2])
        cells = torch.where(inside, (axes[0] * size[1] + axes[1]) * size[2] + axes[2], prod(size))
        places = [(a[:1] - s * shifted) % w for a, s, w in zip((t, y, x), shift, fitted, strict=True)]
        number = (places[0][0][:, None, None] * fitted[1] + places[1][0][:, None]) * fitted[2] + places[2][0]
        number = number.flatten()
        area = window[1] * window[2]
        codes = _code(number // area, number % area // window[2], number % window[2], window=window)
        cut.append((cells.reshape(-1, codes.numel()), codes))
    return tuple(cut)


def _occupied(size: Size, window: Size, shifted: bool, cells: Tensor) -> list[tuple[Tensor, Tensor]]:
    """For windows of each kind in all samples the rows of their tokens, int64 [b * w, m], and codes [m].

    With `tokens` in the batch, row `tokens` is padding and `tokens + 1` says that nothing is there.
    """
    b, n = cells.shape
    tokens, device = b * n, cells.device
    where = torch.full((b, prod(size) + 1), tokens + 1, device=device)
    where[:, -1] = tokens
    where.scatter_(1, cells, torch.arange(tokens, device=device).view(b, n))
    return [
        (where[:, own.to(device)].flatten(0, 1), codes.to(device))
        for own, codes in _cut(size, window, shifted)
    ]


def _group(rows: Tensor, relative: Tensor, tokens: int) -> Group:
    """Rows as of `_occupied`; places where nothing is read the first token, and nobody reads them."""
    alive = rows <= tokens
    return Group(rows.masked_fill(~alive, 0), relative, alive)


def _alike(lengths: list[int]) -> list[tuple[int, int]]:
    """Descending lengths of windows in groups: how many go together, and the longest of them."""
    groups: list[tuple[int, int]] = []
    for length in lengths:
        count, longest = groups[-1] if groups else (0, 0)
        if length >= SHORTEST * longest and (count + 1) * longest**2 <= PAIRS and count:
            groups[-1] = (count + 1, longest)
        else:
            groups.append((1, length))
    return groups


def _filled(alive: Tensor | None, rows: Tensor) -> Tensor:
    return torch.ones_like(rows, dtype=torch.bool) if alive is None else alive


def _size(lengths: Iterable[int]) -> Size:
    t, y, x = lengths
    return t, y, x
