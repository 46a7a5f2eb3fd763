"""Crops by chance: inside the frame, of the asked area, alike for all frames."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vidskim.train.augment import crop_clip, draw_box
from vidskim.video.prepare import Preparation

SMALL = Preparation(size=16, resize=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear")


@given(st.integers(8, 200), st.integers(8, 200), st.floats(0.1, 1.0), st.integers(0, 1000))
def test_a_box_lies_in_the_frame(height: int, width: int, least: float, seed: int) -> None:
    left, top, right, bottom = draw_box(height, width, least=least, generator=np.random.default_rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_areas_and_places_vary_within_limits() -> None:
    generator = np.random.default_rng(0)
    boxes = [draw_box(100, 100, least=0.4, generator=generator) for _ in range(200)]
    areas = [(right - left) * (bottom - top) / 10_000 for left, top, right, bottom in boxes]
    assert 0.38 < min(areas) < 0.5
    assert max(areas) > 0.8
    assert len({box[0] for box in boxes}) > 10


def test_a_frame_too_narrow_for_any_crop_gives_its_middle_square() -> None:
    generator = np.random.default_rng(0)
    assert draw_box(10, 1000, least=0.9, generator=generator) == (495, 0, 505, 10)


def test_frames_are_cropped_alike_and_mirrored() -> None:
    generator = np.random.default_rng(0)
    frame = generator.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    clip = crop_clip(np.stack([frame, frame]), (10, 4, 26, 20), SMALL)
    assert clip.shape == (2, 16, 16, 3)
    assert (clip[0] == clip[1]).all()
    assert (clip[0] == frame[4:20, 10:26]).all()  # already of the model's size
    mirrored = crop_clip(np.stack([frame, frame]), (10, 4, 26, 20), SMALL, mirror=True)
    assert (mirrored == clip[:, :, ::-1]).all()
    assert mirrored.flags.c_contiguous
