"""Bars and changes of all frames."""

from typing import Any

import numpy as np

from vidskim.tasks.patch_picture import BEFORE, FRESH, INK
from vidskim.tasks.patch_state import COMPUTED, REUSED, PatchState
from vidskim.tasks.patch_timeline import (
    BARS,
    CHANGE,
    GAP,
    GUTTER,
    HEIGHT,
    SHOWN,
    draw_cursor,
    draw_timeline,
    scale_of,
)

MakeState = Any  # see conftest


def video(make_state: MakeState, frames: int) -> list[PatchState]:
    """I, P, P, ... with one patch of four computed in a P-frame, and a change that rises to 0.08."""
    kept = [[COMPUTED, REUSED], [REUSED, REUSED]]
    return [
        make_state([[COMPUTED] * 2] * 2, number=number, kind="I", change=0.08 * number / (frames - 1))
        if number % 3 == 0
        else make_state(kept, number=number, change=0.08 * number / (frames - 1))
        for number in range(frames)
    ]


def height(column: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((column == colour).all(axis=-1).sum())


def test_bars_say_how_much_was_computed(make_state: MakeState) -> None:
    image = draw_timeline(video(make_state, 6), width=GUTTER + 600)
    assert image.size == (GUTTER + 600, HEIGHT)
    drawn = np.asarray(image)
    for frame in range(6):
        column = drawn[:BARS, GUTTER + 100 * frame + 50]
        expected = (BARS, 0) if frame % 3 == 0 else (0, BARS // 4)
        assert (height(column, BEFORE), height(column, FRESH)) == expected


def test_more_frames_than_pixels_are_averaged(make_state: MakeState) -> None:
    drawn = np.asarray(draw_timeline(video(make_state, 3000), width=GUTTER + 100))
    column = drawn[:BARS, GUTTER + 50]  # 30 frames: a third are I-frames, the others are computed to a fourth
    assert height(column, BEFORE) == round(BARS / 3)
    assert height(column, FRESH) == round(BARS / 2) - round(BARS / 3)


def test_the_change_is_drawn_below_and_a_cut_does_not_flatten_it(make_state: MakeState) -> None:
    drawn = np.asarray(draw_timeline(video(make_state, 6), width=GUTTER + 600)).astype(int)
    panel = drawn[BARS + GAP : BARS + GAP + CHANGE, GUTTER:]
    dark = [int((panel[:, 100 * frame + 50].mean(axis=-1) < 150).sum()) for frame in range(6)]
    assert dark[0] == 0
    assert dark == sorted(dark)
    assert dark[5] == CHANGE
    assert scale_of(np.array([0.03] * 19 + [0.5])) == 0.06
    assert scale_of(np.array([0.03, 0.04])) == 0.04
    assert scale_of(np.zeros(1)) == 0.02


def test_frames_are_marked_and_a_cursor_points(make_state: MakeState) -> None:
    image = draw_timeline(video(make_state, 6), width=GUTTER + 600, shown=(3, 4))
    below = np.asarray(image)[BARS + GAP // 2, GUTTER:]
    marked = (below == SHOWN).all(axis=-1)
    assert marked[305:395].all()
    assert marked[405:495].all()
    assert not marked[:300].any()
    assert not marked[500:].any()
    assert image.getpixel((GUTTER + 150, BARS // 2)) != INK
    draw_cursor(image, (0, 0), width=GUTTER + 600, number=1, frames=6)
    assert image.getpixel((GUTTER + 150, BARS // 2)) == INK
