"""Contact sheets: frames where they belong, texts that fit."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vidskim.errors import SettingsError
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_frame
from vidskim.synth.script import Script
from vidskim.synth.sheet import HELD_OUT, LINE, MARGIN, sample_times, wrap, write_sheet

HEIGHT, WIDTH = 60, 80


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return [draw_script("test", seed=0, number=number) for number in range(3)]


def test_frames_are_on_the_sheet_in_order(scripts: list[Script], tmp_path: Path) -> None:
    write_sheet(scripts, tmp_path / "sheet.png", columns=4, height=HEIGHT, width=WIDTH)
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image.convert("RGB"))
    assert sheet.shape[1] == 4 * (WIDTH + MARGIN) + MARGIN
    assert [entry.name for entry in tmp_path.iterdir()] == ["sheet.png"]
    for column, t in enumerate(sample_times(scripts[0], 4)):
        left = MARGIN + column * (WIDTH + MARGIN)
        shown = sheet[LINE + 2 : LINE + 2 + HEIGHT, left : left + WIDTH]
        assert (shown == render_frame(scripts[0], t, height=HEIGHT, width=WIDTH)).all()


def test_held_out_captions_are_in_their_colour(scripts: list[Script], tmp_path: Path) -> None:
    assert any(event.held_out for event in scripts[0].events)
    trained = [draw_script("train", seed=0, number=0)]
    for name, shown, expected in (("test.png", scripts[:1], True), ("train.png", trained, False)):
        write_sheet(shown, tmp_path / name, height=HEIGHT, width=WIDTH)
        with Image.open(tmp_path / name) as image:
            below = np.asarray(image)[LINE + HEIGHT + 4 :]
        assert (below == HELD_OUT).all(axis=2).any() == expected
        assert (below.mean(axis=2) < 100).any()  # something is written


def test_the_same_scripts_give_the_same_bytes(scripts: list[Script], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_sheet(scripts[:1], tmp_path / name, height=HEIGHT, width=WIDTH)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_times_are_the_middles_of_equal_parts(scripts: list[Script]) -> None:
    duration = scripts[0].duration_s
    assert sample_times(scripts[0], 2) == pytest.approx([duration / 4, 3 * duration / 4])
    assert sample_times(scripts[0], 1) == pytest.approx([duration / 2])


@given(words=st.lists(st.text("abc", min_size=1, max_size=12), max_size=20), width=st.integers(1, 30))
@settings(deadline=None)
def test_lines_fit_and_lose_nothing(words: list[str], width: int) -> None:
    lines = wrap(" ".join(words), width, len)
    assert " ".join(lines).split() == words
    for line in lines:
        assert len(line) <= width or " " not in line
    for line, following in pairwise(lines):
        assert len(f"{line} {following.split()[0]}") > width  # no line is broken early


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 0}, "a sheet needs videos and columns, received 1 and 0"),
        ({"width": 8}, "must be 16 x 16 pixels or more, received 8 x 132"),
    ],
)
def test_what_cannot_be_seen_is_an_error(
    scripts: list[Script], tmp_path: Path, options: dict[str, int], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        write_sheet(scripts[:1], tmp_path / "sheet.png", **options)
    with pytest.raises(SettingsError, match="received 0 and 8"):
        write_sheet([], tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())
