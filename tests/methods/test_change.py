"""Change between frames: measured once for each pair, and scenes told from motion."""

import pytest
import torch

from vidskim.methods.change import Change
from vidskim.video import motion

STD = torch.tensor([0.2, 0.3, 0.4])


@pytest.mark.parametrize(("side", "grid", "factor"), [(32, 4, 4), (24, 4, 2), (28, 4, 1)])
def test_differences_are_those_of_smaller_frames_where_patches_allow(
    side: int, grid: int, factor: int
) -> None:
    pixels = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    small = torch.nn.functional.avg_pool2d(pixels, factor)
    got = Change(pixels, std=STD, grid=grid).between([1, 2], [3, 0])
    expected = motion.pixel_difference(small[[1, 2]], small[[3, 0]], std=STD, grid=grid)
    torch.testing.assert_close(got, expected)


def test_a_grid_that_does_not_divide_half_the_size_is_measured_whole() -> None:
    pixels = torch.randn(2, 3, 30, 30, generator=torch.Generator().manual_seed(0))
    got = Change(pixels, std=STD, grid=10).between([0], [1])
    torch.testing.assert_close(got, motion.pixel_difference(pixels[:1], pixels[1:], std=STD, grid=10))


def test_a_pair_is_measured_once_in_either_order(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Change(torch.randn(3, 3, 32, 32), std=STD, grid=4)
    first = change.between([0, 1, 0], [2, 2, 2])
    monkeypatch.setattr("vidskim.methods.change.pixel_difference", None)
    assert torch.equal(change.between([2, 2], [0, 1]), first[:2])
    assert change.between([], []).shape == (0, 16)


def test_cuts_begin_scenes_and_steady_motion_does_not() -> None:
    generator = torch.Generator().manual_seed(0)
    moving = (torch.randn(12, 3, 32, 32, generator=generator) * 0.05).cumsum(dim=0)
    assert Change(moving, std=torch.ones(3), grid=4).scene_starts() == []
    cut = moving.clone()
    cut[5:] += 0.5
    cut[9:] -= 0.6
    assert Change(cut, std=torch.ones(3), grid=4).scene_starts() == [5, 9]
    assert Change(cut[:2], std=torch.ones(3), grid=4).scene_starts() == []
