"""Which videos and frames are sampled."""

from pathlib import Path

import numpy as np
import pytest

from vidskim.evaluate.sample import STRETCH, choose_stretches, read_excerpt, spread
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.sources import Source
from vidskim.video.read import read_video


@pytest.mark.parametrize(
    ("count", "of", "numbers"),
    [(1, 9, [4]), (3, 9, [1, 4, 7]), (2, 3, [0, 2]), (5, 3, [0, 1, 2]), (4, 4, [0, 1, 2, 3])],
)
def test_numbers_are_spread_evenly(count: int, of: int, numbers: list[int]) -> None:
    assert spread(count, of=of) == numbers


def test_a_sample_of_many_has_no_number_twice() -> None:
    for of in range(1, 40):
        for count in range(1, 45):
            numbers = spread(count, of=of)
            assert len(set(numbers)) == min(count, of)
            assert 0 <= numbers[0] <= numbers[-1] < of


def test_short_videos_are_taken_whole_and_long_ones_in_stretches() -> None:
    assert choose_stretches(98, most=98) == [range(98)]
    assert choose_stretches(1000, most=98) == [range(225, 274), range(725, 774)]
    assert choose_stretches(1000, most=140) == [range(225, 274), range(725, 774)]
    assert choose_stretches(100, most=20) == [range(40, 60)]
    assert (STRETCH - 1) % 12 == 0, "whole groups of 2, 3, 4 and 6 frames"


def test_stretches_never_overlap_and_stay_inside() -> None:
    for frames in range(50, 400, 7):
        for most in range(13, 250, 11):
            runs = choose_stretches(frames, most=most)
            covered = [number for run in runs for number in run]
            assert covered == sorted(set(covered))
            assert 0 <= covered[0] <= covered[-1] < frames
            assert len(covered) <= most


def test_an_excerpt_holds_the_frames_of_the_video(demo: VideoEncoder, clips: list[Source]) -> None:
    pixels = demo.prepare(read_video(clips[0].path, fps=6.0)).pixels
    whole = read_excerpt(clips[0].path, demo, fps=6.0, most=40)
    assert (len(whole.stretches), whole.goes_on) == (1, False)
    assert whole.stretches[0].pixels.equal(pixels)
    part = read_excerpt(clips[0].path, demo, fps=6.0, most=20)
    assert (len(part.stretches), part.goes_on) == (1, True)
    assert part.stretches[0].pixels.equal(pixels[10:30])
    assert part.spans_s == [pytest.approx((10 / 6, 29 / 6))]


def test_stretches_are_parted_where_time_jumps(
    demo: VideoEncoder, clips: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidskim.evaluate.sample.STRETCH", 13)
    excerpt = read_excerpt(clips[1].path, demo, fps=None, most=30)
    assert [len(part) for part in excerpt.stretches] == [13, 13]
    assert [np.round(part.times_s[[0, -1]] * 6).tolist() for part in excerpt.stretches] == [[5, 17], [28, 40]]


def test_a_file_that_is_no_video_is_refused(demo: VideoEncoder, tmp_path: Path) -> None:
    from vidskim.errors import VideoError

    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        read_excerpt(tmp_path / "text.mp4", demo, fps=3.0, most=20)
