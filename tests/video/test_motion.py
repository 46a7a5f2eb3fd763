"""Motion maps against drawing cell by cell; windows, patches and pixel differences."""

import numpy as np
import pytest
import torch

from vidskim.errors import SettingsError
from vidskim.video.motion import (
    MotionWindow,
    compensated_difference,
    draw_vectors,
    patch_motion,
    pixel_difference,
)
from vidskim.video.prepare import Preparation

FIELDS = [("w", "u1"), ("h", "u1"), ("dst_x", "<i2"), ("dst_y", "<i2"), ("motion_x", "<i4"), ("motion_y", "<i4"),
          ("motion_scale", "<u2")]  # fmt: skip


def vectors(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(list(rows), dtype=FIELDS)


def slow_draw(blocks: np.ndarray, y: int, x: int) -> np.ndarray:
    """Cell by cell: the mean length over the blocks that cover the cell's middle; y and x are multiples of 8."""
    drawn = np.zeros((y // 8, x // 8))
    for row in range(y // 8):
        for column in range(x // 8):
            lengths = [
                np.hypot(b["motion_x"], b["motion_y"]) / b["motion_scale"]
                for b in blocks
                if abs(column * 8 + 4 - b["dst_x"]) <= b["w"] / 2
                and abs(row * 8 + 4 - b["dst_y"]) <= b["h"] / 2
            ]
            drawn[row, column] = np.mean(lengths) if lengths else 0
    return drawn


def test_blocks_are_drawn_on_the_cells_they_cover() -> None:
    generator = np.random.default_rng(3)
    rows = []
    for _ in range(60):
        w, h = generator.choice([8, 16], 2)
        x, y = generator.integers(0, 6) * 8 + w // 2, generator.integers(0, 4) * 8 + h // 2
        rows.append((w, h, x, y, *generator.integers(-40, 40, 2), 4))
    blocks = vectors(*rows)
    np.testing.assert_allclose(draw_vectors(blocks, 48, 64), slow_draw(blocks, 48, 64), rtol=1e-6)


def test_blocks_outside_and_odd_sizes_are_harmless() -> None:
    blocks = vectors(
        (16, 16, 200, 8, 9, 0, 1), (16, 16, -40, -8, 9, 0, 1), (8, 8, 4, 4, 3, 4, 1), (4, 4, 30, 18, 6, 8, 2)
    )
    drawn = draw_vectors(blocks, 21, 33)
    assert drawn.shape == (3, 5)
    assert drawn[0, 0] == 5
    assert drawn[2, 4] == 5
    assert drawn.sum() == 10
    assert draw_vectors(vectors(), 16, 16).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("late", [0, 1])
def test_windows_sum_eleven_frames(late: int) -> None:
    maps = [np.full((2, 3), 2.0**i, np.float32) for i in range(20)]
    drawn = []
    window, got = MotionWindow(), {}
    for number in range(20):
        window.add(lambda number=number: drawn.append(number) or maps[number])
        for frame in (0, 9, 17):
            if number == frame + late:
                window.ask(frame)
            if frame not in got and window.is_ready(frame):
                got[frame] = window.take(frame)
    assert 17 not in got
    window.finish()
    got[17] = window.take(17)
    for frame, total in got.items():
        assert total[0, 0] == sum(2.0**i for i in range(max(frame - 5, 0), min(frame + 6, 20)))
    assert sorted(drawn) == sorted(set(drawn)), "a map is drawn once"


def test_patches_take_the_mean_of_the_cells_they_overlap() -> None:
    motion = np.random.default_rng(0).random((2, 12, 16), dtype=np.float32)
    whole = patch_motion(motion, (96, 96), Preparation(96, 96), (6, 8))
    np.testing.assert_allclose(whole, motion.reshape(2, 6, 2, 8, 2).mean((2, 4)), rtol=1e-5)
    # 96x128 is cropped to its middle 96 columns: cells 2 to 14.
    cropped = patch_motion(motion, (96, 128), Preparation(48, 48), (12, 12))
    np.testing.assert_allclose(cropped, motion[:, :, 2:14], rtol=1e-4)
    constant = patch_motion(np.full((1, 45, 80), 3.0, np.float32), (360, 640), Preparation.clip(), (7, 7))
    np.testing.assert_allclose(constant, 3.0, rtol=1e-5)
    with pytest.raises(SettingsError, match=r"received \[12, 16\]"):
        patch_motion(motion[0], (96, 96), Preparation(96, 96), (6, 8))


def test_pixel_difference_is_the_mean_change_per_patch_in_0_to_1() -> None:
    pixels = torch.zeros(3, 3, 8, 8)
    pixels[1:, :, :4, :4] = 0.5
    pixels[2, 0, 4:, 4:] = 0.3
    std = torch.tensor([0.2, 0.25, 0.5])
    difference = pixel_difference(
        pixels[1:] / std[:, None, None], pixels[:2] / std[:, None, None], std=std, grid=2
    )
    torch.testing.assert_close(difference, torch.tensor([[0.5, 0, 0, 0], [0, 0, 0, 0.1]]))
    with pytest.raises(SettingsError, match="a grid of 3x3 patches does not divide 8x8 pixels"):
        pixel_difference(pixels, pixels, std=std, grid=3)


def test_signed_maps_say_which_way_things_go() -> None:
    fields = [*FIELDS, ("source", "<i4")]
    right_and_up = (8, 8, 4, 4, -12, 4, 2, -1)  # came from 6 pixels to the left, 2 further down
    to_come = (8, 8, 12, 4, 10, 6, 2, 1)  # goes 5 to the right, 3 down
    blocks = np.array([right_and_up, to_come], dtype=fields)
    assert draw_vectors(blocks, 8, 16, signs=(1, 1)).tolist() == [[6 - 2, 5 + 3]]
    assert draw_vectors(blocks, 8, 16, signs=(-1, 1)).tolist() == [[-6 - 2, -5 + 3]]
    both_ways = np.array([(8, 8, 4, 4, -6, 0, 1, -1), (8, 8, 4, 4, 6, 0, 1, -1)], dtype=fields)
    assert draw_vectors(both_ways, 8, 8, signs=(1, 1)).tolist() == [[0]]
    assert draw_vectors(both_ways, 8, 8).tolist() == [[6]]


def test_motion_compensation_explains_what_only_moved() -> None:
    generator = torch.Generator().manual_seed(0)
    frame = torch.rand(1, 3, 32, 32, generator=generator)
    moved = frame.roll((4, -6), dims=(2, 3))
    changed = moved.clone()
    changed[..., 16:24, 8:16] = torch.rand(1, 3, 8, 8, generator=generator)
    std = torch.full((3,), 0.5)
    left = compensated_difference(changed, frame, std=std, grid=4).view(4, 4)
    plain = pixel_difference(changed, frame, std=std, grid=4).view(4, 4)
    assert float(left[2, 1]) > 0.03
    left[2, 1] = 0
    torch.testing.assert_close(left[1:, :3], torch.zeros(3, 3))  # the rest rolled in over the border
    assert float(plain.min()) > 0.03


def test_motion_compensation_never_leaves_more_than_the_difference() -> None:
    generator = torch.Generator().manual_seed(1)
    frames, others = torch.randn(2, 3, 3, 28, 28, generator=generator)
    grey = [pixels.mean(1, keepdim=True).expand(-1, 3, -1, -1) for pixels in (frames, others)]
    std = torch.full((3,), 0.3)
    left = compensated_difference(frames, others, std=std, grid=2)
    assert bool((left <= pixel_difference(*grey, std=std, grid=2) + 1e-6).all())
    torch.testing.assert_close(compensated_difference(frames, frames, std=std, grid=2), torch.zeros(3, 4))
