"""Changes by chance, alike in all frames of a video."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vidskim.train.randaugment import CHANGES, RandAugment, change_frames


def picture(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)


@given(st.integers(0, 10_000))
def test_frames_that_are_alike_stay_alike(seed: int) -> None:
    changes = RandAugment(share=1.0).draw(np.random.default_rng(seed))
    assert len(changes) == 4
    frames = np.stack([picture(), picture(), picture(1)])
    changed = change_frames(frames, changes)
    assert changed.shape == frames.shape
    assert changed.dtype == np.uint8
    assert np.array_equal(changed[0], changed[1])


def test_the_generator_decides() -> None:
    frames = picture()[None]
    first, again, other = (
        change_frames(frames, RandAugment(share=1.0).draw(np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_every_change_changes_and_grows_with_its_strength(number: int) -> None:
    grey = np.tile(np.linspace(30, 220, 32).astype(np.uint8)[None, :, None], (24, 1, 3))
    grey[8:16, 8:16] = (200, 60, 30)
    moved = [
        np.abs(change_frames(grey[None], [CHANGES[number](strength, 1.0)])[0].astype(int) - grey).sum()
        for strength in (0.2, 1.0)
    ]
    assert moved[1] > 0
    assert moved[1] >= moved[0]


def test_half_of_the_changes_are_made() -> None:
    made = [len(RandAugment().draw(np.random.default_rng(seed))) for seed in range(400)]
    assert 1.8 < np.mean(made) < 2.2


def test_no_change_leaves_the_frames() -> None:
    frames = picture()[None]
    assert change_frames(frames, []) is frames
