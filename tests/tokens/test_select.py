"""Selection rules: counts, known sets, and properties that hold for any scores."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidskim.errors import SettingsError
from vidskim.tokens.select import (
    center,
    center_released,
    counts_above,
    kept_count,
    random_scores,
    top,
    trained_count,
    uniform,
)


@pytest.mark.parametrize(
    ("patches", "keep", "count"),
    [
        (49, 0.15, 7),
        (196, 0.15, 29),
        (256, 0.15, 38),
        (49, 0.1, 5),
        (49, 1.0, 49),
        (49, 0.001, 1),
        (4, 0.125, 1),
    ],
)
def test_kept_count_rounds_half_to_even_and_keeps_one(patches: int, keep: float, count: int) -> None:
    assert kept_count(patches, keep) == count


@pytest.mark.parametrize(
    ("patches", "keep", "count"), [(49, 0.15, 7), (49, 0.1, 4), (196, 0.15, 29), (49, 0.001, 1), (9, 1.0, 9)]
)
def test_trained_count_rounds_down_and_keeps_one(patches: int, keep: float, count: int) -> None:
    assert trained_count(patches, keep) == count


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.01])
def test_keep_outside_its_range_is_refused(keep: float) -> None:
    with pytest.raises(SettingsError, match="above 0 and at most 1"):
        kept_count(49, keep)
    with pytest.raises(SettingsError, match="above 0 and at most 1"):
        trained_count(49, keep)


def test_uniform_of_b32_is_the_main_diagonal() -> None:
    assert uniform(49, 7).tolist() == [0, 8, 16, 24, 32, 40, 48]


def test_center_takes_the_middle_patch_and_its_neighbours() -> None:
    assert sorted(center(7, 5).tolist()) == [17, 23, 24, 25, 31]


@given(grid=st.integers(1, 20), data=st.data())
def test_center_never_leaves_a_nearer_patch_out(grid: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, grid * grid))
    kept = set(center(grid, count).tolist())
    middle = (grid - 1) / 2
    distance = [(n // grid - middle) ** 2 + (n % grid - middle) ** 2 for n in range(grid * grid)]
    assert len(kept) == count
    dropped = [distance[n] for n in range(grid * grid) if n not in kept]
    assert not dropped or max(distance[n] for n in kept) <= min(dropped)


@given(
    frames=st.integers(1, 5), patches=st.integers(1, 60), threshold=st.floats(0, 1), seed=st.integers(0, 99)
)
def test_counts_above_covers_every_patch_above_the_threshold(
    frames: int, patches: int, threshold: float, seed: int
) -> None:
    scores = torch.rand(frames, patches, generator=torch.Generator().manual_seed(seed))
    counts = counts_above(scores, threshold)
    step = -(-patches // 16)
    exact = (scores > threshold).sum(dim=1)
    assert bool((counts >= exact).all())
    assert bool((counts - exact < step).all())
    assert bool((counts <= patches).all())


def test_a_still_frame_costs_no_patch() -> None:
    assert counts_above(torch.zeros(2, 49), 0.0).tolist() == [0, 0]


def test_top_is_in_falling_order() -> None:
    assert top(torch.tensor([[1.0, 5.0, 3.0, 4.0]]), 3).tolist() == [[1, 3, 2]]


def test_random_scores_repeat_with_their_seed() -> None:
    first = random_scores(3, 49, torch.Generator().manual_seed(1))
    assert torch.equal(first, random_scores(3, 49, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, random_scores(3, 49, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize(("grid", "count", "beside"), [(7, 7, []), (14, 29, [49]), (16, 38, [70, 73])])
def test_the_released_centre_leans(grid: int, count: int, beside: list[int]) -> None:
    """B/32, B/16 and L/14 at keep 0.15: none, one and two patches that no true centre has."""
    assert kept_count(grid * grid, 0.15) == count
    middle = (grid - 1) / 2
    distance = [(n // grid - middle) ** 2 + (n % grid - middle) ** 2 for n in range(grid * grid)]
    released = center_released(grid, count).tolist()
    assert sorted(n for n in released if distance[n] > sorted(distance)[count - 1]) == beside
    assert len(set(released) - set(center(grid, count).tolist())) == len(beside)
    leaning = sorted((((n / grid - middle) ** 2 + (n % grid - middle) ** 2), n) for n in range(grid * grid))
    assert released == [n for _, n in leaning[:count]]
