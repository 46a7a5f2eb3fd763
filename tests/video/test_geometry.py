"""Sizes, crops and the eight turns, against numbers worked out by hand and NumPy's own turning."""

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.video.geometry import Orientation, box_along, centre_box, fit_short_side


def test_the_longer_side_is_rounded_down() -> None:
    assert fit_short_side(720, 1280, 224) == (224, 398)
    assert fit_short_side(1280, 720, 224) == (398, 224)
    assert fit_short_side(100, 100, 7) == (7, 7)
    with pytest.raises(SettingsError, match="received 0"):
        fit_short_side(10, 10, 0)


def test_the_crop_rounds_half_to_even() -> None:
    assert centre_box(224, 397, 224) == (0, 86, 224, 310)  # 86.5 -> 86
    assert centre_box(224, 399, 224) == (0, 88, 224, 312)  # 87.5 -> 88
    with pytest.raises(SettingsError, match="a crop of 224 does not fit in a frame of 300x200 pixels"):
        centre_box(200, 300, 224)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirror", [False, True])
def test_matrix_turn_and_mirror_agree(turns: int, mirror: bool) -> None:
    array = np.arange(12).reshape(3, 4)
    expected = np.rot90(array, -turns)
    matrix = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)][turns]
    a, b, c, d = matrix
    if mirror:
        expected, a, c = expected[:, ::-1], -a, -c
    full = np.array([a, b, 0, c, d, 0, 0, 0, 16384], np.int32) << 16
    turn = Orientation.from_matrix(full)
    np.testing.assert_array_equal(turn.apply(array), expected)
    assert (turn.rotation, turn.mirrored) == (90 * turns, mirror)
    assert turn.size(3, 4) == expected.shape


def test_slanted_matrices_take_the_nearest_quarter_turn() -> None:
    slanted = np.array([60000, 20000, 0, -20000, 60000, 0, 0, 0, 2**30], np.int32)
    assert Orientation.from_matrix(slanted) == Orientation()


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
def test_signs_follow_a_step_through_the_turn(transpose: bool, flip_y: bool, flip_x: bool) -> None:
    turn = Orientation(transpose, flip_y, flip_x)
    steps = []
    for step in ((1, 2), (2, 1)):  # row, column: one to the right, one down from (1, 1)
        moved = []
        for place in ((1, 1), step):
            frame = np.zeros((4, 5))
            frame[place] = 1
            moved.append(np.argwhere(turn.apply(frame))[0].sum())
        steps.append(int(moved[1] - moved[0]))
    assert turn.signs == tuple(steps)


@pytest.mark.parametrize(("y", "x"), [(224, 331), (331, 224), (224, 224)])
def test_boxes_along_the_longer_side(y: int, x: int) -> None:
    room = max(y, x) - 224
    for along, start in ((0.0, 0), (0.5, int(room / 2)), (1.0, room)):
        top, left, bottom, right = box_along(y, x, 224, along=along)
        assert (bottom - top, right - left) == (224, 224)
        assert (top, left) == ((start, 0) if y >= x else (0, start))
