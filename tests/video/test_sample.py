"""Which frames are wanted: the rule word for word, on made-up timestamps."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidskim.video.sample import NO_STAMP, Request, Timeline, choose_frames, keep_span, pick_frames


def timeline(pts: list[int] | np.ndarray, *, tick_s: float = 0.001, discard: Sequence[int] = ()) -> Timeline:
    pts = np.array(pts, np.int64)
    shown = ~np.isin(np.arange(len(pts)), discard)
    return Timeline(pts, np.arange(len(pts)) == 0, shown, tick_s, True)


STAMPS = st.lists(st.integers(-500, 5000), min_size=1, max_size=40, unique=True)


@given(STAMPS, st.floats(0.1, 2000))
def test_fps_follows_the_rule_word_for_word(stamps: list[int], fps: float) -> None:
    line = timeline(stamps)
    shown = sorted(stamps)
    grid = shown[0] + np.arange(int((line.end - shown[0]) * fps / 1000) + 2) * 1000 / fps
    grid = grid[grid < line.end - 2e-4]
    expected = sorted({max(stamp for stamp in shown if stamp <= time + 1e-4) for time in grid})
    assert choose_frames(Request(fps=fps), line).tolist() == expected


@given(STAMPS, st.lists(st.integers(-2000, 9000), min_size=1).map(sorted))
def test_times_follow_the_rule_word_for_word(stamps: list[int], times: list[int]) -> None:
    chosen = choose_frames(Request(times_s=[time / 1000 for time in times]), timeline(stamps))
    assert chosen.tolist() == [max([s for s in stamps if s <= time], default=min(stamps)) for time in times]


@given(STAMPS, st.floats(0.2, 50), st.integers(-600, 5600))
def test_two_parts_hold_what_the_whole_holds(stamps: list[int], fps: float, cut: int) -> None:
    line, cut_s = timeline(stamps), cut / 1000
    for rate in (None, fps):
        whole = choose_frames(Request(rate), line)
        before = choose_frames(Request(rate, end_s=cut_s), line)
        after = choose_frames(Request(rate, start_s=cut_s), line)
        # A frame shown on both sides of the cut may be in both parts.
        assert np.union1d(before, after).tolist() == whole.tolist()
        assert len(before) + len(after) <= len(whole) + 1


def test_discarded_packets_are_never_chosen() -> None:
    line = timeline([0, 40, 80, 120], discard=[0, 2])
    assert choose_frames(Request(), line).tolist() == [40, 120]
    assert choose_frames(Request(times_s=[0.0, 0.1]), line).tolist() == [40, 40]


def test_odd_rates_do_not_drift() -> None:
    line = timeline(np.arange(30000) * 1001, tick_s=1 / 30000)
    assert len(choose_frames(Request(fps=30000 / 1001), line)) == 30000
    every_tenth = choose_frames(Request(fps=3000 / 1001), line)
    assert every_tenth.tolist() == (np.arange(3000) * 10010).tolist()


@pytest.mark.parametrize(
    ("pts", "dts", "expected", "trusted"),
    [
        ([0, 3, 1, 2], [0, 1, 2, 3], [0, 3, 1, 2], True),
        ([0, 3, 3, 2], [4, 5, 6, 7], [4, 5, 6, 7], False),
        ([0, NO_STAMP, 1, 2], [NO_STAMP, 1, 2, 3], [0, 10, 20, 30], False),
        ([NO_STAMP] * 4, [NO_STAMP] * 4, [0, 10, 20, 30], False),
    ],
)
def test_timestamps_that_make_no_sense_are_replaced(
    pts: list[int], dts: list[int], expected: list[int], trusted: bool
) -> None:
    line = Timeline.from_packets(
        np.array(pts),
        np.array(dts),
        is_key=np.ones(4, bool),
        is_discard=np.zeros(4, bool),
        tick_s=0.01,
        rough_gap=10,
    )
    assert line.pts.tolist() == expected
    assert line.trusted == trusted


def test_decode_order_stamps_are_sorted_and_not_trusted() -> None:
    stamps = np.array([2, 3, 4])
    flags = {"is_key": np.ones(3, bool), "is_discard": np.zeros(3, bool), "tick_s": 0.04, "rough_gap": 1}
    line = Timeline.from_packets(stamps, stamps, **flags, pts_are_display_times=False)
    assert (line.pts.tolist(), line.trusted, line.gap, line.end) == ([2, 3, 4], False, 1, 5)


def test_a_lost_frame_is_replaced_by_the_one_before() -> None:
    frames = [(ticks, f"frame {ticks}") for ticks in (10, 20, 50, 60)]
    targets = np.array([0, 20, 30, 40, 60, 70])
    repeated = [frame for _, _, frame in pick_frames(frames, targets, repeat=True)]
    assert repeated == ["frame 10", "frame 20", "frame 20", "frame 20", "frame 60", "frame 60"]
    once = list(pick_frames(frames, targets, repeat=False))
    assert once == [(10, 0, "frame 10"), (20, 1, "frame 20"), (60, 3, "frame 60")]
    assert list(pick_frames([], targets, repeat=True)) == []


def test_a_span_keeps_what_is_inside() -> None:
    frames = [(ticks, str(ticks)) for ticks in range(0, 100, 10)]
    assert [frame for _, _, frame in keep_span(frames, 20, 50, most=9)] == ["20", "30", "40", "50"]
    assert [frame for _, _, frame in keep_span(frames, 20, 50, most=2)] == ["20", "30"]
