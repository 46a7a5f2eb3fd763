"""Clip and Health: checked, printed, sliced."""

from typing import Any

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.video.clip import Clip, Health

GOOD = {
    "frames": np.zeros((3, 4, 6, 3), np.uint8),
    "times_s": np.array([0.0, 0.5, 0.5]),
    "motion": np.zeros((3, 1, 2), np.float32),
    "health": Health("straight"),
}


def test_a_clip_prints_shapes_and_can_be_sliced() -> None:
    clip = Clip(**GOOD)
    assert len(clip) == 3
    assert "frames=uint8 [3, 4, 6, 3], times_s=0.000..0.500, motion=float32 [3, 1, 2]" in repr(clip)
    part = clip[1:]
    assert (len(part), part.motion.shape, part.health) == (2, (2, 1, 2), clip.health)
    assert np.shares_memory(part.frames, clip.frames)
    assert Clip(**{**GOOD, "motion": None})[::2].motion is None


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (0, r"a slice, such as clip\[2:5\], received 0; clip.frames\[i\] is one frame"),
        ([0, 2], r"received \[0, 2\]; .*clip\[i : i \+ 1\] a Clip of one"),
        (slice(3, None), r"one frame or more, and clip\[3:\] of 3 has none"),
        (slice(2, 1, 2), r"clip\[2:1:2\] of 3 has none"),
    ],
)
def test_only_slices_with_frames_cut_a_clip(part: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Clip(**GOOD)[part]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("frames", np.zeros((3, 4, 6), np.uint8), r"uint8 \[t, y, x, 3\], received uint8 \[3, 4, 6\]"),
        ("frames", np.zeros((3, 4, 6, 3), np.float32), r"received float32 \[3, 4, 6, 3\]"),
        ("frames", np.zeros((3, 4, 6, 4), np.uint8), r"received uint8 \[3, 4, 6, 4\]"),
        ("frames", np.zeros((0, 4, 6, 3), np.uint8), r"none of them 0, received uint8 \[0, 4, 6, 3\]"),
        ("times_s", np.zeros(2), r"times_s must be float64 \[3\], received float64 \[2\]"),
        ("times_s", np.zeros(3, np.float32), r"received float32 \[3\]"),
        ("times_s", np.array([0.0, 2.0, 1.0]), r"never decrease, received \[0. 2. 1.\]"),
        ("times_s", np.array([0.0, 2.0, np.nan]), "must be finite"),
        ("motion", np.zeros((2, 1, 2), np.float32), r"float32 \[3, my, mx\], received float32 \[2, 1, 2\]"),
    ],
)
def test_wrong_fields_are_named_with_what_was_expected(field: str, value: np.ndarray, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Clip(**{**GOOD, field: value})


def test_health_is_good_without_damage() -> None:
    assert Health("straight", packets_total=4, frames_decoded=4).is_good
    for damage in ({"packets_bad": 1}, {"frames_corrupt": 1}, {"truncated": True}):
        assert not Health("straight", **damage).is_good
