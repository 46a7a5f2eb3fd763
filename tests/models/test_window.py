"""Windows as sets of pairs, counted one by one."""

import pytest
import torch
from tests.models.swin_oracle import stored_index
from torch import Tensor

from vidskim.models.swin_variants import Size
from vidskim.models.window import (
    Windows,
    block_pairs,
    dense_windows,
    filled_windows,
    fit_window,
    packed_windows,
    padded_size,
    relative_index,
)

CPU = torch.device("cpu")
CASES = [((8, 6, 9), (4, 3, 3)), ((5, 7, 4), (4, 3, 3)), ((3, 2, 8), (4, 3, 3)), ((9, 7, 5), (2, 4, 2))]


def pairs(windows: Windows) -> dict[tuple[int, int], int]:
    """Query and key by token -> row of the bias table; padding and empty places left out."""
    found = {}
    for group in windows.groups:
        for w, rows in enumerate(group.rows.tolist()):
            relative = group.relative if group.relative.dim() == 2 else group.relative[w]
            alive = [True] * len(rows) if group.alive is None else group.alive[w].tolist()
            here = [i for i, row in enumerate(rows) if alive[i] and row < windows.tokens]
            for i in here:
                for j in here:
                    key = (rows[i], rows[j])
                    assert key not in found
                    found[key] = int(relative[i, j])
    return found


def expected(size: Size, window: Size, shifted: bool) -> dict[tuple[int, int], int]:
    """The published rule, pair by pair: roll, number windows and regions, look up by slot."""
    index = stored_index(window)
    w, shift = fit_window(size, window)
    length = padded_size(size, window)
    cells = [(t, y, x) for t in range(size[0]) for y in range(size[1]) for x in range(size[2])]
    key, slot = [], []
    for cell in cells:
        c = [(a - s * shifted) % n for a, s, n in zip(cell, shift, length, strict=True)]
        region = [
            (a >= n - v) + (a >= n - s) if shifted else 0
            for a, n, v, s in zip(c, length, w, shift, strict=True)
        ]
        key.append(([a // v for a, v in zip(c, w, strict=True)], region))
        inside = [a % v for a, v in zip(c, w, strict=True)]
        slot.append((inside[0] * w[1] + inside[1]) * w[2] + inside[2])
    return {
        (i, j): int(index[slot[i], slot[j]])
        for i in range(len(cells))
        for j in range(len(cells))
        if key[i] == key[j]
    }


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("size", "window"), CASES)
def test_pairs_and_biases_are_the_published_ones(size: Size, window: Size, shifted: bool) -> None:
    windows = dense_windows(size, window, shifted=shifted, batch=1, device=CPU)
    assert pairs(windows) == expected(size, window, shifted)
    assert windows.pairs == block_pairs(size, window)[shifted]
    assert windows.has_padding == (padded_size(size, window) != size)


def test_a_batch_is_the_same_windows_in_each_map() -> None:
    one = dense_windows((5, 7, 4), (4, 3, 3), shifted=True, batch=1, device=CPU)
    two = dense_windows((5, 7, 4), (4, 3, 3), shifted=True, batch=2, device=CPU)
    n, single = one.tokens, pairs(one)
    assert pairs(two) == single | {(i + n, j + n): row for (i, j), row in single.items()}


@pytest.mark.parametrize("build", [filled_windows, packed_windows])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("size", "window"), CASES)
def test_what_is_left_keeps_its_pairs(
    size: Size, window: Size, shifted: bool, build: type[Windows], generator: torch.Generator
) -> None:
    cells = some_cells(size, 2, 0.3, generator)
    windows = build(size, window, shifted=shifted, cells=cells)
    whole, n = expected(size, window, shifted), cells.shape[1]
    wanted = {
        (b * n + i, b * n + j): whole[p, q]
        for b, own in enumerate(cells.tolist())
        for i, p in enumerate(own)
        for j, q in enumerate(own)
        if (p, q) in whole
    }
    assert pairs(windows) == wanted
    at = torch.cat(
        [g.rows.masked_fill(~g.alive, -1).flatten() for g in windows.groups if g.alive is not None]
    )
    assert at[windows.places].tolist() == list(range(windows.tokens))


def test_padding_is_read_where_it_was() -> None:
    """A packed window keeps the padded places of its dense one as keys."""
    size, window = (4, 4, 4), (4, 3, 3)
    cells = torch.tensor([[15, 3]])  # both in border windows, the first with both paddings
    windows = packed_windows(size, window, shifted=False, cells=cells)
    assert windows.has_padding
    read = {
        rows[0]: sum(row == 2 for row in rows) for group in windows.groups for rows in group.rows.tolist()
    }
    # cell 15 is (0, 3, 3): of 4 * 3 * 3 places 32 are padding; cell 3 is (0, 0, 3): of 36 places 24
    assert sorted(read.values()) == [24, 32]


def test_packed_windows_are_short(generator: torch.Generator) -> None:
    size, window = (8, 12, 12), (4, 6, 6)
    cells = some_cells(size, 3, 0.25, generator)
    packed = packed_windows(size, window, shifted=False, cells=cells)
    filled = filled_windows(size, window, shifted=False, cells=cells)
    assert filled.pairs == 3 * block_pairs(size, window)[0]
    least = sum(
        (where == part).sum().item() ** 2
        for where in window_numbers(size, window, cells)
        for part in range(2 * 2 * 2)
    )
    assert least <= packed.pairs < 1.5 * least < 0.2 * filled.pairs


def window_numbers(size: Size, window: Size, cells: Tensor) -> Tensor:
    t, y, x = cells // (size[1] * size[2]), cells // size[2] % size[1], cells % size[2]
    return (t // window[0] * 2 + y // window[1]) * 2 + x // window[2]


def some_cells(size: Size, batch: int, share: float, generator: torch.Generator) -> Tensor:
    n = size[0] * size[1] * size[2]
    return torch.stack([torch.randperm(n, generator=generator)[: int(share * n)] for _ in range(batch)])


@pytest.mark.parametrize("window", [(8, 7, 7), (2, 3, 5), (1, 1, 1)])
def test_relative_index_is_the_stored_buffer(window: Size) -> None:
    assert torch.equal(relative_index(window), stored_index(window))


def test_a_window_that_covers_the_map_is_the_map() -> None:
    assert fit_window((16, 7, 14), (8, 7, 7)) == ((8, 7, 7), (4, 0, 3))
    assert fit_window((4, 8, 5), (8, 7, 7)) == ((4, 7, 5), (0, 3, 0))
    assert padded_size((4, 8, 5), (8, 7, 7)) == (4, 14, 5)
