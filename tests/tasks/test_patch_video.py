"""Every frame, plain and explained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidskim.pipeline.load import load_model
from vidskim.tasks.explain import Explanation, explain_file
from vidskim.tasks.patch_picture import BORDER, INK
from vidskim.tasks.patch_state import COMPUTED, DROPPED
from vidskim.tasks.patch_video import SIDE, SPACE, draw_frames, playing_rate, write_explanation_video
from vidskim.video.read import read_video
from vidskim.video.write import write_video

MakeState = Any  # see conftest


def explain(make_state: MakeState, times_s: list[float]) -> Explanation:
    states = [
        make_state([[COMPUTED, COMPUTED if number == 0 else DROPPED]] * 2, number=number, time_s=time_s)
        for number, time_s in enumerate(times_s)
    ]
    return Explanation("method", states, macs=1, full_macs=2, looks_ahead=False)


def test_the_plain_frame_stands_beside_the_explained_one(make_state: MakeState) -> None:
    explanation = explain(make_state, [0.0, 0.5])
    pictures = iter([np.full((8, 8, 3), 200, np.uint8)] * 2)
    first, second = draw_frames(explanation, pictures, title="title")
    assert first.shape == second.shape
    assert first.shape[0] % 2 == first.shape[1] % 2 == 0
    same = (first == 200).all(axis=-1).sum()
    assert same >= 2 * SIDE * SIDE
    assert (second == 200).all(axis=-1).sum() == pytest.approx(same - SIDE * SIDE // 2, abs=100)
    half = first.shape[1] // 2  # what is dropped is dropped at the right only
    assert (second == 26).all(axis=-1)[:, :half].sum() == 0
    assert (second == 26).all(axis=-1)[:, half:].sum() >= SIDE * SIDE // 2 - 2 * SIDE
    assert SPACE < BORDER * 2 + SPACE < SIDE
    # the cursor moves on
    bars = slice(first.shape[0] - 120, first.shape[0] - 100)
    columns = [np.flatnonzero((frame[bars] == INK).all(axis=(0, 2))).mean() for frame in (first, second)]
    assert columns[1] - columns[0] > 200


def test_a_missing_picture_is_an_error(make_state: MakeState) -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(draw_frames(explain(make_state, [0.0, 0.5]), iter([np.zeros((8, 8, 3), np.uint8)]), title=""))


def test_it_plays_at_the_speed_of_its_source(make_state: MakeState) -> None:
    assert playing_rate(explain(make_state, [1.0, 1.5, 2.0])) == 2.0
    assert playing_rate(explain(make_state, [1.0])) == 1.0
    assert playing_rate(explain(make_state, [1.0, 1.0])) == 1.0


def test_the_video_is_written_with_all_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 40, 3), np.uint8)
    write_video(tmp_path / "noise.mp4", noise, 10.0)
    encoder = load_model("demo", method="residual")
    explanation = explain_file(tmp_path / "noise.mp4", encoder, fps=5.0)
    out = tmp_path / "new" / "explained.mp4"
    write_explanation_video(explanation, tmp_path / "noise.mp4", encoder, out, title="noise")
    clip = read_video(out)
    assert len(clip) == len(explanation.states) == 10
    np.testing.assert_allclose(clip.times_s, np.arange(10) / 5, atol=1e-3)
    assert clip.frames.shape[2] > 2 * SIDE
