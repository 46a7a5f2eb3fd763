"""Patches as they are painted: 4 pixels a patch, no resizing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vidskim.tasks.patch_picture import (
    AFTER,
    BEFORE,
    BORDER,
    INK,
    draw_frame,
    draw_patches,
    label_of,
    text_font,
    write_text,
)
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED, REUSED

CELL = 4
MakeState = Any  # see conftest


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(40, 255, (rows * CELL, columns * CELL, 3), np.uint8)


def inside(picture: np.ndarray, row: int, column: int) -> np.ndarray:
    """A patch without the line around it."""
    return picture[row * CELL + 1 : (row + 1) * CELL - 1, column * CELL + 1 : (column + 1) * CELL - 1]


def test_computed_patches_keep_every_pixel(make_state: MakeState) -> None:
    picture = noise(2, 2)
    all_computed = make_state([[COMPUTED, COMPUTED], [COMPUTED, COMPUTED]])
    assert (draw_patches(picture, all_computed, cell=CELL) == picture).all()
    drawn = draw_patches(picture, make_state([[COMPUTED, DROPPED], [REUSED, COMPUTED]]), cell=CELL)
    assert (drawn[:CELL, :CELL] == picture[:CELL, :CELL]).all()
    assert (drawn[CELL:, CELL:] == picture[CELL:, CELL:]).all()
    # the line runs outside them
    assert drawn[CELL, :CELL].min() > 200
    assert drawn[:CELL, CELL].min() > 200


def test_dropped_patches_are_dark_and_computed_ones_are_not(make_state: MakeState) -> None:
    picture = noise(1, 2)
    drawn = draw_patches(picture, make_state([[COMPUTED, DROPPED]]), cell=CELL)
    assert inside(drawn, 0, 1).max() <= 0.14 * 255
    assert inside(drawn, 0, 0).min() >= 40


def test_reused_patches_are_dimmed_and_tinted_like_their_i_frame(make_state: MakeState) -> None:
    picture = np.full((CELL, 3 * CELL, 3), 128, np.uint8)
    lean = np.array([[0, 0.5, 1]], np.float32)
    drawn = draw_patches(picture, make_state([[REUSED] * 3], lean=lean), cell=CELL).astype(int)
    before, both, after = (inside(drawn, 0, column)[0, 0] for column in range(3))
    assert before[2] > before[0] + 40  # blue
    assert after[0] > after[2] + 40  # orange
    np.testing.assert_allclose(both, (before + after) / 2, atol=1)
    assert before.mean() < 128
    assert BEFORE[2] > BEFORE[0]
    assert AFTER[0] > AFTER[2]


def test_merged_patches_have_the_mean_colour_of_their_region_and_a_line_around_it(
    make_state: MakeState,
) -> None:
    picture = np.zeros((CELL, 3 * CELL, 3), np.uint8)
    picture[:, :CELL], picture[:, CELL : 2 * CELL], picture[:, 2 * CELL :] = 100, 50, 10
    state = make_state([[MERGED, MERGED, MERGED]], slots=np.array([[4, 4, 9]]))
    drawn = draw_patches(picture, state, cell=CELL)
    assert (drawn[:, : 2 * CELL - 1] == 75).all()
    assert (drawn[:, 2 * CELL + 1 :] == 10).all()
    assert drawn[:, 2 * CELL - 1 : 2 * CELL + 1].min() > 200


def test_frames_are_resized_to_whole_patches_and_i_frames_have_a_coloured_border(
    make_state: MakeState,
) -> None:
    state = make_state([[COMPUTED] * 7] * 7, kind="I")
    frame = draw_frame(noise(7, 7), state, side=224)
    assert frame.size == (224 + 2 * BORDER, 224 + 2 * BORDER)
    assert frame.getpixel((0, 0)) == BEFORE
    assert draw_frame(noise(7, 7), state, side=224, closes=True).getpixel((0, 0)) == AFTER
    assert draw_frame(noise(7, 7), replace(state, kind="P"), side=224).getpixel((0, 0)) not in (BEFORE, AFTER)
    odd = draw_frame(noise(37, 37), make_state([[COMPUTED] * 37] * 37), side=224)
    assert odd.width - 2 * BORDER == 37 * 6


@pytest.mark.parametrize(
    ("fates", "rest", "text"),
    [
        ([COMPUTED, COMPUTED], {"kind": "I"}, "I 12.7 s"),
        ([COMPUTED, REUSED], {}, "P 12.7 s, 1 of 2 computed"),
        ([DROPPED, DROPPED], {}, "P 12.7 s, 0 of 2 computed"),
        (
            [COMPUTED, MERGED, MERGED],
            {"slots": np.array([[-1, 3, 3]])},
            "P 12.7 s, 3 patches merged to 2",
        ),
    ],
)
def test_labels_count(make_state: MakeState, fates: list[int], rest: dict[str, Any], text: str) -> None:
    assert label_of(make_state([fates], time_s=12.72, **rest)) == text


def test_text_that_is_too_long_is_cut() -> None:
    image = Image.new("RGB", (400, 20), (255, 255, 255))
    write_text(ImageDraw.Draw(image), (0, 0), "word " * 40, font=text_font(14), width=100, fill=INK)
    dark = np.flatnonzero(np.asarray(image).min(axis=(0, 2)) < 128)
    assert 80 < dark.max() <= 101
