"""Frames and crops of the published evaluations, against their formulas written out."""

from typing import Any

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.video.views import SWIN_VIEWS, VIDEOMAE_VIEWS, Views, find_views


@pytest.mark.parametrize("frames", [1, 5, 61, 64, 65, 100, 333])
def test_kinetics_is_five_runs_of_every_fourth_frame(frames: int) -> None:
    taken = list(range(0, frames, 4))
    while len(taken) < 16:
        taken.append(taken[-1])
    expected = [taken[int(i * max(len(taken) - 16, 0) / 4) :][:16] for i in range(5)]
    assert VIDEOMAE_VIEWS["k400"].rows(frames, 16).tolist() == expected
    assert len(VIDEOMAE_VIEWS["k400"]) == 15


@pytest.mark.parametrize("frames", [1, 7, 16, 33, 90])
def test_something_is_two_clips_of_interleaved_segments(frames: int) -> None:
    tick = frames / 16
    both = sorted([int(tick * x) for x in range(16)] + [int(tick / 2 + tick * x) for x in range(16)])
    rows = VIDEOMAE_VIEWS["ssv2"].rows(frames, 16)
    assert rows.tolist() == [both[0::2], both[1::2]]
    assert rows.max() < frames
    assert len(VIDEOMAE_VIEWS["ssv2"]) == 6


@pytest.mark.parametrize("frames", [1, 40, 64, 65, 100, 333])
def test_video_swin_looks_at_the_middles_of_four_parts(frames: int) -> None:
    room = max(0, frames - 64 + 1) / 4
    starts = [int(i * room + room / 2) for i in range(4)]
    expected = [[(start + 2 * place) % frames for place in range(32)] for start in starts]
    assert SWIN_VIEWS["k400"].rows(frames, 32).tolist() == expected
    assert (len(SWIN_VIEWS["k400"]), len(SWIN_VIEWS["ssv2"])) == (12, 3)


def test_one_view_lies_in_the_middle() -> None:
    assert VIDEOMAE_VIEWS["one"].rows(200, 16).tolist() == [list(range(17 * 4, 33 * 4, 4))]
    assert Views("segments").rows(32, 8).tolist() == [[2, 6, 10, 14, 18, 22, 26, 30]]
    assert SWIN_VIEWS["one"].rows(101, 8).tolist() == [list(range(43, 59, 2))]
    assert Views(stride=1).rows(16, 16).tolist() == [list(range(16))]


def test_crops_go_from_start_to_end() -> None:
    assert Views().places == [None]
    assert Views(crops=3).places == [0.0, 0.5, 1.0]


def test_views_are_found_by_name() -> None:
    assert find_views("k400", VIDEOMAE_VIEWS) is VIDEOMAE_VIEWS["k400"]
    assert find_views(Views(clips=2), SWIN_VIEWS) == Views(clips=2)
    with pytest.raises(
        SettingsError, match=r"unknown views 'k40'; allowed: k400, one, ssv2\. Did you mean 'k400'"
    ):
        find_views("k40", VIDEOMAE_VIEWS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "even"}, "unknown sampling 'even'; allowed: dense, parts, segments"),
        ({"clips": 0}, "clips must be 1 or more, received 0"),
        ({"crops": 0}, "crops must be 1 or more"),
        ({"stride": 0}, "stride must be 1 or more"),
        ({"sampling": "segments", "clips": 3}, "gives 1 or 2 clips, received 3"),
    ],
)
def test_bad_views_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Views(**options)


def test_rows_are_whole_numbers() -> None:
    assert VIDEOMAE_VIEWS["ssv2"].rows(50, 16).dtype == np.int64
