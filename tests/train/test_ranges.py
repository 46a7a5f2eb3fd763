"""What a batch is trained for: drawn within its ranges, and patches chosen as training and inference do."""

import numpy as np
import pytest
import torch

from vidskim.errors import SettingsError
from vidskim.tokens.select import kept_count, trained_count
from vidskim.train.ranges import BatchSetting, Ranges


def test_settings_fill_their_ranges_and_are_the_same_for_the_same_number() -> None:
    ranges = Ranges((1, 5), (0.1, 0.3))
    drawn = [ranges.draw(seed=0, number=number) for number in range(300)]
    assert drawn[7] == ranges.draw(seed=0, number=7)
    assert drawn[7] != ranges.draw(seed=1, number=7)
    assert {setting.interleave for setting in drawn} == {1, 2, 3, 4, 5}
    keeps = [setting.keep for setting in drawn]
    assert 0.1 <= min(keeps) < 0.12 < 0.28 < max(keeps) <= 0.3
    assert 100 < sum(setting.by_chance for setting in drawn) < 200


def test_a_range_of_one_value_is_that_value() -> None:
    setting = Ranges((2, 2), (0.15, 0.15)).draw(seed=3, number=9)
    assert (setting.interleave, setting.keep) == (2, 0.15)


@pytest.mark.parametrize(
    ("interleave", "keep", "message"),
    [
        ((0, 2), (0.1, 0.2), "interleave must be 1 or more, or a range such as 1-5; received 0 to 2"),
        ((3, 2), (0.1, 0.2), "received 3 to 2"),
        ((1, 2), (0.0, 0.2), "keep must be a share of patches above 0 .* received 0 to 0.2"),
        ((1, 2), (0.2, 1.5), "received 0.2 to 1.5"),
    ],
)
def test_ranges_that_allow_nothing_are_refused(
    interleave: tuple[int, int], keep: tuple[float, float], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Ranges(interleave, keep)


def test_by_chance_each_image_draws_for_itself_and_the_count_rounds_down() -> None:
    frames = torch.zeros(6, 3, 14, 14, 3, dtype=torch.uint8)
    setting = BatchSetting(interleave=2, keep=0.1, by_chance=True)
    kept = setting.choose(frames, grid=7, generator=np.random.default_rng(0))
    assert kept.shape == (6, 2, trained_count(49, 0.1)) == (6, 2, 4)
    rows = {tuple(sorted(row)) for row in kept.flatten(0, 1).tolist()}
    assert len(rows) == 12
    assert all(len(set(row)) == 4 for row in rows)


def test_by_change_the_patches_that_differ_most_from_the_anchor_are_kept() -> None:
    frames = torch.zeros(1, 3, 14, 14, 3, dtype=torch.uint8)
    frames[0, 1, :2, 2:4] = 200  # patch 1 of the first P-frame
    frames[0, 1, 4:6, :2] = 100  # patch 14
    frames[0, 2, 12:, 12:] = 5  # patch 48 of the second
    setting = BatchSetting(interleave=2, keep=0.05, by_chance=False)
    kept = setting.choose(frames, grid=7, generator=np.random.default_rng(0))
    assert kept.shape == (1, 2, kept_count(49, 0.05)) == (1, 2, 2)
    assert kept[0, 0].tolist() == [1, 14]
    assert kept[0, 1, 0] == 48
