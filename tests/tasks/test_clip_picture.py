"""The picture of a clip and its stages."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidskim.errors import SettingsError
from vidskim.tasks.clip_picture import LABEL, LINE, MARGIN, SPACE, TITLE, draw_clip, write_clip_picture
from vidskim.tasks.explain_clip import ClipExplanation, ClipStage
from vidskim.tasks.patch_picture import BEFORE
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED, Fates

CELL = 56  # of two tokens on a side
SLICE = 2 * CELL


def make_stage(fates: Fates, *, groups: int, slots: np.ndarray | None = None) -> ClipStage:
    return ClipStage("after block 1", groups, fates, np.full(fates.shape, -1) if slots is None else slots)


def make_explanation(stages: list[ClipStage], slices: int = 4) -> ClipExplanation:
    pictures = np.full((slices, 8, 8, 3), 200, np.uint8)
    return ClipExplanation(
        method="sta, r 1",
        times_s=np.arange(slices) / 4,
        pictures=pictures,
        stages=stages,
        tokens=4 * slices,
        macs=3,
        full_macs=4,
        label=("walks", 0.75),
        full_label=("jumps", 0.5),
    )


def cut(image: Image.Image, *, row: int, column: int) -> np.ndarray:
    """One slice of the drawing."""
    left = MARGIN + LABEL + column * (SLICE + SPACE)
    top = MARGIN + TITLE + LINE + row * (SLICE + 4 + SPACE + LINE // 2)
    return np.asarray(image)[top : top + SLICE, left : left + SLICE].astype(int)


def inside(part: np.ndarray, y: int, x: int) -> np.ndarray:
    """The middle of a token's colours."""
    colour: np.ndarray = part[y * CELL + 9 : (y + 1) * CELL - 9, x * CELL + 9 : (x + 1) * CELL - 9].mean(
        axis=(0, 1)
    )
    return colour


def test_dropped_here_is_red_and_dropped_before_is_dark() -> None:
    first = np.full((4, 2, 2), COMPUTED, np.int8)
    first[1, 0, 1] = DROPPED
    second = first.copy()
    second[1, 1, 0] = DROPPED
    image = draw_clip(
        make_explanation([make_stage(first, groups=4), make_stage(second, groups=2)]),
        [0, 1, 2, 3],
        title="a video",
    )
    assert inside(cut(image, row=0, column=1), 0, 1).tolist() == [200, 200, 200]
    red = inside(cut(image, row=1, column=1), 0, 1)
    assert red[0] > 100 > 80 > red[1]
    assert inside(cut(image, row=1, column=1), 1, 0).tolist() == [200, 200, 200]
    assert inside(cut(image, row=2, column=1), 0, 1).max() < 40
    assert inside(cut(image, row=2, column=1), 1, 0)[0] > 100
    assert inside(cut(image, row=2, column=2), 0, 1).tolist() == [200, 200, 200]


def test_groups_have_bars() -> None:
    stage = make_stage(np.zeros((4, 2, 2), np.int8), groups=2)
    image = np.asarray(draw_clip(make_explanation([stage]), [0, 1, 2, 3], title=""))
    top = MARGIN + TITLE + LINE + 2 * SLICE + 4 + SPACE + LINE // 2 + 3
    blue = (image[top + 1] == BEFORE).all(axis=1)
    left, step = MARGIN + LABEL, SLICE + SPACE
    gap = slice(left + SLICE, left + step)  # within a group, and then between two
    assert blue[gap].all()
    assert not blue[left + step + SLICE : left + 2 * step].any()
    assert blue[left + 3 * step : left + 3 * step + SLICE].all()


def test_merged_tokens_have_one_colour_over_all_slices() -> None:
    fates = np.full((4, 2, 2), COMPUTED, np.int8)
    slots = np.full((4, 2, 2), -1)
    for place in ((0, 0, 0), (3, 1, 1)):
        fates[place], slots[place] = MERGED, 5
    explanation = make_explanation([make_stage(fates, groups=1, slots=slots)])
    explanation.pictures[3] = 100
    image = draw_clip(explanation, [0, 1, 2, 3], title="")
    colours = [inside(cut(image, row=1, column=0), 0, 0), inside(cut(image, row=1, column=3), 1, 1)]
    assert colours[0].tolist() == colours[1].tolist() == [150, 150, 150]
    assert explanation.stages[0].left == 15


def test_as_many_slices_as_asked_for(tmp_path: Path) -> None:
    stage = make_stage(np.zeros((16, 2, 2), np.int8), groups=4)
    explanation = make_explanation([stage], slices=16)
    assert write_clip_picture(explanation, tmp_path / "a.png", slices=12, title="") == list(range(0, 16, 2))
    assert write_clip_picture(explanation, tmp_path / "b.png", slices=16, title="") == list(range(16))
    with Image.open(tmp_path / "a.png") as small, Image.open(tmp_path / "b.png") as large:
        assert large.width - small.width == 8 * (SLICE + SPACE)
    with pytest.raises(SettingsError, match="1 or more, received 0"):
        write_clip_picture(explanation, tmp_path / "c.png", slices=0, title="")


def test_a_clip_without_stages_is_drawn() -> None:
    image = draw_clip(make_explanation([]), [0, 2], title="full")
    assert image.height < MARGIN + TITLE + LINE + 2 * SLICE
