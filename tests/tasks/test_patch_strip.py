"""Which groups a strip shows, and where."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidskim.errors import SettingsError
from vidskim.pipeline.load import load_model
from vidskim.tasks.explain import Explanation, explain_file
from vidskim.tasks.patch_picture import AFTER, BEFORE, BORDER
from vidskim.tasks.patch_state import COMPUTED, DROPPED
from vidskim.tasks.patch_strip import LABEL, SPACE, choose_groups, draw_strip, lay_rows, write_strip
from vidskim.video.write import write_video

MakeState = Any  # see conftest


def explain(make_state: MakeState, kinds: str, *, looks_ahead: bool = False) -> Explanation:
    fates = {"I": [[COMPUTED] * 2] * 2, "P": [[COMPUTED, DROPPED], [DROPPED, DROPPED]]}
    states = [make_state(fates[kind], number=number, kind=kind) for number, kind in enumerate(kinds)]
    return Explanation("method", states, macs=1, full_macs=2, looks_ahead=looks_ahead)


@pytest.mark.parametrize(
    ("kinds", "ahead", "frames", "chosen"),
    [
        ("IPP" * 10, False, 12, [[3, 4, 5], [9, 10, 11], [18, 19, 20], [24, 25, 26]]),
        ("IPP" * 10 + "I", True, 8, [[6, 7, 8, 9], [21, 22, 23, 24]]),
        ("IPP" * 2 + "I", False, 50, [[0, 1, 2], [3, 4, 5]]),
        ("IPPPPP", False, 1, [[0, 1, 2, 3, 4, 5]]),
        ("I" * 9, False, 3, [[1], [4], [7]]),
        ("I", True, 12, [[0]]),
        ("IPIPPPPPIPIPPIPIP", False, 7, [[2, 3, 4, 5, 6, 7], [13, 14]]),  # as planned by the video
    ],
)
def test_groups_are_whole_and_spread(
    make_state: MakeState, kinds: str, ahead: bool, frames: int, chosen: list[list[int]]
) -> None:
    groups = choose_groups(explain(make_state, kinds, looks_ahead=ahead), frames)
    assert [[state.number for state in group] for group in groups] == chosen


def test_no_frames_is_an_error(make_state: MakeState) -> None:
    with pytest.raises(SettingsError, match="1 or more, received 0"):
        choose_groups(explain(make_state, "IPP"), 0)


@pytest.mark.parametrize(
    ("kinds", "rows"),
    [
        ("IPP" * 3, ["IPPIPP", "IPP"]),
        ("IPPP" * 2, ["IPPP", "IPPP"]),
        ("I" * 8, ["IIIIII", "II"]),
        ("IPPPPPPPPP", ["IPPPP", "PPPPP"]),
        ("IPPPPPPP", ["IPPPPPPP"]),
    ],
)
def test_rows_hold_whole_groups_and_long_ones_are_wrapped(
    make_state: MakeState, kinds: str, rows: list[str]
) -> None:
    laid = lay_rows(explain(make_state, kinds).groups())
    assert ["".join(state.kind for state, _ in row) for row in laid] == rows
    assert not any(closes for row in laid for _, closes in row)


def test_the_i_frame_after_has_its_own_border(make_state: MakeState) -> None:
    explanation = explain(make_state, "IPPI", looks_ahead=True)
    groups = choose_groups(explanation, 4)
    pictures = {number: np.full((8, 8, 3), 50 + 40 * number, np.uint8) for number in range(4)}
    strip = np.asarray(draw_strip(explanation, groups, pictures, title="title"))
    frame = 224 + 2 * BORDER
    tall, wide = strip.shape[:2]
    assert wide >= 4 * (frame + SPACE)
    assert tall > frame + LABEL
    row = strip[68 + 1]  # through the upper borders
    assert (row == BEFORE).all(axis=-1).sum() == (row == AFTER).all(axis=-1).sum() == frame
    for number in (0, 3):  # I-frames are drawn as they are
        assert ((strip == 50 + 40 * number).all(axis=-1)).sum() >= 224 * 224
    assert 112 * 112 <= (strip == 90).all(axis=-1).sum() < 112 * 112 + 500  # a fourth of this one


def test_a_strip_is_written(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 20, 40, 3), np.uint8)
    write_video(tmp_path / "noise.mp4", noise, 10.0)
    encoder = load_model("demo", method="reuse")
    explanation = explain_file(tmp_path / "noise.mp4", encoder, fps=None)
    out = tmp_path / "new" / "strip.png"
    groups = write_strip(explanation, tmp_path / "noise.mp4", encoder, out, frames=8, title="noise")
    assert len(groups) == 2
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert image.width > 4 * 224
