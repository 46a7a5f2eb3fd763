"""Smoothing, threshold and runs, on signals small enough to work out by hand."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidskim.errors import SettingsError
from vidskim.tasks.ground import Grounding, frame_distance_s, ground, similarity, smooth
from vidskim.tasks.moment import Moment

Floats = npt.NDArray[np.float64]
VALUES = st.floats(-1, 1, allow_subnormal=False)
SIGNALS = st.lists(VALUES, min_size=1, max_size=40).map(np.array)


def at_3_fps(frames: int) -> Floats:
    return np.arange(frames) / 3


def spans(result: Grounding) -> list[tuple[float, float, float]]:
    return [(moment.start_s, moment.end_s, moment.score) for moment in result.moments]


# --- similarity


def test_similarity_is_the_cosine_of_each_frame() -> None:
    vectors = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]])
    signal = similarity(vectors, torch.tensor([10.0, 0.0]))
    assert signal.dtype == np.float64
    np.testing.assert_allclose(signal, [1.0, 0.6, 0.0, -1.0], atol=1e-7)


def test_similarity_takes_half_types_and_gradients() -> None:
    vectors = torch.eye(2, dtype=torch.bfloat16, requires_grad=True)
    np.testing.assert_array_equal(similarity(vectors, torch.tensor([1.0, 0.0])), [1.0, 0.0])


@pytest.mark.parametrize("query", [torch.ones(3), torch.ones(1, 2)])
def test_similarity_wants_one_text_of_the_same_model(query: torch.Tensor) -> None:
    with pytest.raises(SettingsError, match=r"received \[4, 2\] and \[.*one text at a time.*same model"):
        similarity(torch.ones(4, 2), query)


# --- smoothing


def test_smoothing_shrinks_at_the_edges() -> None:
    np.testing.assert_allclose(smooth([3.0, 0.0, 6.0, 3.0], 3), [1.5, 3.0, 3.0, 4.5])


def test_an_even_window_holds_one_more_frame_before() -> None:
    np.testing.assert_allclose(smooth([3.0, 0.0, 6.0, 3.0], 2), [3.0, 1.5, 3.0, 4.5])


@given(SIGNALS, st.integers(1, 90))
def test_smoothing_is_the_mean_over_the_frames_there_are(signal: Floats, window: int) -> None:
    naive = [signal[max(0, i - window // 2) : i + (window - 1) // 2 + 1].mean() for i in range(len(signal))]
    np.testing.assert_allclose(smooth(signal, window), naive, atol=1e-12)


@given(SIGNALS, st.integers(1, 40))
def test_smoothing_inside_is_a_convolution(signal: Floats, window: int) -> None:
    window = min(window, len(signal))
    inside = np.convolve(signal, np.full(window, 1 / window), mode="valid")
    got = smooth(signal, window)[window // 2 :][: len(inside)]
    np.testing.assert_allclose(got, inside, atol=1e-12)


@given(VALUES, st.integers(1, 50), st.integers(1, 60))
def test_a_constant_stays_exactly_constant(value: float, frames: int, window: int) -> None:
    assert (smooth(np.full(frames, value), window) == value).all()


def test_a_window_of_one_changes_nothing() -> None:
    signal = np.array([0.1, 0.7, 0.2])
    smoothed = smooth(signal, 1)
    assert (smoothed == signal).all()
    assert smoothed is not signal


@pytest.mark.parametrize("window", [0, -3, 2.5])
def test_a_window_is_one_frame_or_more(window: Any) -> None:
    with pytest.raises(SettingsError, match=f"whole number of frames, 1 or more, received {window}"):
        smooth([1.0], window)


# --- runs


def test_a_run_lasts_until_the_frame_after_its_last() -> None:
    result = ground([0.0, 4.0, 5.0, 0.0, 0.0, 9.0], [0.0, 1.0, 2.0, 5.0, 6.0, 7.0], window_frames=1)
    assert result.threshold == 3.0
    # the lone last frame, until the end of the video; the gap of 3 s belongs to the frame before it
    assert spans(result) == [(7.0, 8.0, 9.0), (1.0, 5.0, 5.0)]
    np.testing.assert_array_equal(result.intervals, [[7.0, 8.0], [1.0, 5.0]])


def test_the_last_run_reaches_the_end_of_the_video() -> None:
    signal, times = [0.0, 1.0], [10.0, 11.0]
    assert ground(signal, times, duration_s=14.5, window_s=None).moments[0].end_s == 14.5
    # a header that ends the video too early
    assert ground(signal, times, duration_s=10.5, window_s=None).moments[0].end_s == 12.0


def test_the_threshold_is_on_the_smoothed_signal() -> None:
    result = ground([3.0, 0.0, 6.0, 3.0], at_3_fps(4), window_frames=3)
    assert result.threshold == pytest.approx((1.5 + 3.0 + 3.0 + 4.5) / 4)
    np.testing.assert_allclose(result.smoothed, [1.5, 3.0, 3.0, 4.5])
    np.testing.assert_array_equal(result.signal, [3.0, 0.0, 6.0, 3.0])
    assert spans(result) == [pytest.approx((1 / 3, 4 / 3, 4.5))]


def test_five_seconds_are_fifteen_frames_at_three_per_second() -> None:
    signal = np.random.default_rng(0).normal(size=60)
    by_seconds = ground(signal, at_3_fps(60))
    by_frames = ground(signal, at_3_fps(60), window_frames=15)
    np.testing.assert_array_equal(by_seconds.smoothed, by_frames.smoothed)
    # far below the distance of frames, and far above the video
    assert (ground(signal, at_3_fps(60), window_s=1e-6).smoothed == signal).all()
    np.testing.assert_allclose(ground(signal, at_3_fps(60), window_s=1e300).smoothed, signal.mean())


def test_a_factor_below_one_keeps_more_whatever_the_sign() -> None:
    signal = np.array([0.9, 1.0, 1.1])
    assert ground(signal, at_3_fps(3), window_s=None, factor=0.9).threshold == pytest.approx(0.9)
    result = ground(signal - 2, at_3_fps(3), window_s=None, factor=0.9)
    assert result.threshold == pytest.approx(-1.1)
    tight = ground(signal - 2, at_3_fps(3), window_s=None, factor=0.9, faithful=True)
    assert tight.threshold == pytest.approx(-0.9)


def test_a_factor_above_one_may_leave_nothing() -> None:
    result = ground([0.5, 0.5], at_3_fps(2), factor=1.5)
    assert result.moments == ()
    assert result.intervals.shape == (0, 2)


@given(VALUES, st.integers(1, 50))
def test_a_constant_signal_is_one_moment(value: float, frames: int) -> None:
    result = ground(np.full(frames, value), np.arange(frames) * 0.5)
    end_s = frames * 0.5 if frames > 1 else 1.0
    assert spans(result) == [(0.0, end_s, value)]


def test_one_frame_is_a_moment() -> None:
    assert spans(ground([0.2], [7.0])) == [(7.0, 8.0, 0.2)]
    assert spans(ground([0.2], [7.0], duration_s=7.25)) == [(7.0, 7.25, 0.2)]


@given(SIGNALS, st.integers(1, 9), st.floats(0, 1.5))
def test_runs_hold_exactly_the_frames_above_the_threshold(signal: Floats, window: int, factor: float) -> None:
    times = np.arange(len(signal)) * 0.25 + 3
    result = ground(signal, times, window_frames=window, factor=factor)
    covered = np.zeros(len(signal), dtype=int)
    for moment in result.moments:
        inside = (times >= moment.start_s) & (times < moment.end_s)
        assert moment.length_s > 0
        assert moment.score == result.smoothed[inside].max()
        covered += inside
    np.testing.assert_array_equal(covered, result.smoothed >= result.threshold)
    scores = [moment.score for moment in result.moments]
    assert scores == sorted(scores, reverse=True)
    # maximal: two moments never touch
    starts = {moment.start_s for moment in result.moments}
    assert starts.isdisjoint(moment.end_s for moment in result.moments)


@given(SIGNALS, st.integers(-50, 50))
def test_a_later_clock_moves_the_moments_along(signal: Floats, seconds: int) -> None:
    times = np.arange(len(signal)) * 0.25
    early, late = ground(signal, times), ground(signal, times + seconds)
    assert early.threshold == late.threshold
    np.testing.assert_array_equal(late.intervals, early.intervals + seconds)


def test_equal_scores_come_in_order_of_time() -> None:
    result = ground([1.0, 0.0, 1.0, 0.0, 1.0], np.arange(5.0), window_s=None)
    assert [moment.start_s for moment in result.moments] == [0.0, 2.0, 4.0]


def test_frames_of_one_time_are_shown_as_one() -> None:
    result = ground([0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 2.0], window_s=None)
    assert spans(result) == [(1.0, 2.0, 1.0)]
    assert spans(ground([1.0, 1.0], [4.0, 4.0])) == [(4.0, 5.0, 1.0)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (np.arange(9) / 3, 1 / 3),
        (np.cumsum([0.3, 0.3, 0.4] * 5), 0.3357142857),  # 3 frames/s of a file at 10
        (np.array([0.0, 1.0, 2.0, 50.0, 51.0]), 1.0),
        (np.repeat(np.arange(10.0), 3), 9 / 29),  # the same frame three times
        (np.array([4.0]), 1.0),
    ],
)
def test_frame_distance_is_the_mean_without_gaps(times: Floats, expected: float) -> None:
    assert frame_distance_s(times) == pytest.approx(expected)


# --- the released evaluation


def test_released_run_at_the_end_is_one_frame_short() -> None:
    result = ground([0.0, 0.0, 6.0, 6.0], at_3_fps(4) + 10, window_frames=15, faithful=True, duration_s=1.5)
    # seconds from 0, whatever the clock says
    assert spans(result)[0] == pytest.approx((2 / 3, 1.0, 6.0))
    alone = ground([0.0, 0.0, 0.0, 6.0], at_3_fps(4), window_frames=15, faithful=True)
    assert alone.moments[0].length_s == 0.0
    inside = ground([0.0, 6.0, 6.0, 0.0], at_3_fps(4), window_frames=15, faithful=True)
    assert inside.intervals[0] == pytest.approx([1 / 3, 1.0])


def test_released_short_videos_are_not_smoothed() -> None:
    signal = np.random.default_rng(0).normal(size=16)
    short = ground(signal[:15], at_3_fps(15), window_frames=15, faithful=True)
    np.testing.assert_array_equal(short.smoothed, signal[:15])
    longer = ground(signal, at_3_fps(16), window_frames=15, faithful=True)
    np.testing.assert_array_equal(longer.smoothed, smooth(signal, 15))


def test_released_proposals_are_filled_up_with_the_whole_video() -> None:
    result = ground([0.0, 1.0, 0.0], at_3_fps(3), window_frames=15, faithful=True, duration_s=1.25)
    assert spans(result)[1:] == [(0.0, 1.25, 0.0)] * 4
    unknown = ground([0.0, 1.0, 0.0], at_3_fps(3), window_frames=15, faithful=True)
    assert unknown.moments[-1].end_s == pytest.approx(1.0)


def test_released_proposals_above_five_are_all_kept() -> None:
    signal = np.tile([0.0, 1.0], 7)
    result = ground(signal, at_3_fps(14), window_frames=15, faithful=True)
    assert len(result.moments) == 7


@given(SIGNALS)
def test_released_and_true_moments_differ_at_the_end_only(signal: Floats) -> None:
    times = np.arange(len(signal)) * 0.5
    true = ground(signal, times, window_s=None)
    released = ground(signal, times, window_s=None, faithful=True)
    assert len(released.moments) >= 5
    for ours, theirs in zip(true.moments, released.moments, strict=False):
        assert (ours.start_s, ours.score) == (theirs.start_s, theirs.score)
        if len(signal) > 1:
            short = 0.5 if ours.end_s == len(signal) * 0.5 else 0.0
            assert theirs.end_s == ours.end_s - short


# --- errors


@pytest.mark.parametrize(
    ("signal", "times", "message"),
    [
        ([], [], r"expected signal of shape \[t\] with t at least 1, received shape \[0\]"),
        ([[1.0]], [0.0], r"expected signal of shape \[t\] .* received shape \[1, 1\]"),
        ([1.0, math.nan], [0.0, 1.0], "signal must be finite, received nan at frame 1"),
        ([1.0, 2.0], [0.0, math.inf], "times_s must be finite, received inf at frame 1"),
        ([1.0, 2.0], [0.0], "one time for each frame, received 2 values and 1 times"),
        ([1.0, 2.0], [1.0, 0.5], r"must not decrease, received 1\.0 before 0\.5; sort the frames"),
    ],
)
def test_errors_name_the_value(signal: list[Any], times: list[float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ground(signal, times)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"duration_s": math.nan}, "duration_s must be .* above 0, or None if unknown, received nan"),
        ({"duration_s": -1.0}, "duration_s must be .* received -1"),
        ({"window_s": 0.0}, "window_s must be .* above 0, or None not to smooth, received 0"),
        ({"window_frames": 0}, "1 or more, received 0"),
        ({"factor": -0.1}, "factor must be a finite number, 0 or more, received -0.1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ground([1.0], [0.0], **settings)


def test_a_grounding_is_checked_when_built() -> None:
    row = np.zeros(2)
    with pytest.raises(SettingsError, match=r"one shape \[t\], received \[\(2,\), \(2,\), \(1,\)\]"):
        Grounding((), row, row, 0.0, row[:1])
    with pytest.raises(SettingsError, match="threshold must be finite, received nan"):
        Grounding((), row, row, math.nan, row)
    with pytest.raises(SettingsError, match=r"best first, received scores \[0\.1, 0\.2\]"):
        Grounding((Moment(0, 1, 0.1), Moment(2, 3, 0.2)), row, row, 0.0, row)
