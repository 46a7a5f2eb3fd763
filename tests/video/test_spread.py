"""Frames that stand for a whole video, against the rule written out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidskim.errors import NoFramesError, SettingsError
from vidskim.video.spread import read_spread, spread_rows


@pytest.mark.parametrize("fps", [1.0, 24.0, 25.0, 29.97, 59.94])
@pytest.mark.parametrize("frames", [1, 5, 12, 300, 360, 500])
@pytest.mark.parametrize("count", [1, 12, 64])
def test_a_frame_a_second_else_of_all_frames(fps: float, frames: int, count: int) -> None:
    grid = list(range(0, frames, round(fps)))
    chosen = grid if len(grid) >= count else list(range(frames))
    expected = [chosen[int(place)] for place in np.linspace(0, len(chosen) - 1, count)]
    rows = spread_rows(np.arange(frames) / fps, count)
    assert rows.tolist() == expected
    assert (rows[0], len(rows)) == (0, count)


def test_only_these_are_read(plain: Path, numbers: Callable[[np.ndarray], list[int]]) -> None:
    """Of 120 frames that say their number, 25 a second."""
    clip = read_spread(plain, 4)
    assert numbers(clip.frames) == [0, 25, 50, 100]
    np.testing.assert_allclose(clip.times_s, [0, 1, 2, 4], atol=1e-6)
    assert numbers(read_spread(plain, 6).frames) == [0, 23, 47, 71, 95, 119]
    assert numbers(read_spread(plain, 3, start_s=1.0, length_s=0.5).frames) == [25, 31, 37]
    assert numbers(read_spread(plain, 3, length_s=0.05).frames) == [0, 0, 1]


def test_what_cannot_be_is_named(plain: Path) -> None:
    with pytest.raises(SettingsError, match="frames of a video must be 1 or more, received 0"):
        read_spread(plain, 0)
    with pytest.raises(SettingsError, match="length_s must be above 0 seconds, received 0"):
        read_spread(plain, 1, length_s=0)
    with pytest.raises(NoFramesError, match="no frame from 9 s to inf s; its frames are at 0 to "):
        read_spread(plain, 1, start_s=9)
