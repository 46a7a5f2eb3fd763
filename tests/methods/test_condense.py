"""Merging by a schedule: how much in which block, sizes and slots, and the same answer where nothing is merged."""

import pytest
import torch
from tests.methods.conftest import segment

from vidskim.methods.condense import LIGHT, NOTHING, SCHEDULES, STRONG, Condense, Schedule
from vidskim.models.cost import condensed_macs, condensed_widths, vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer

TINY = VitConfig(width=192, layers=12, heads=3, patch=16, image=224, hidden=768, activation="gelu", eps=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("layers", [1, 2, 6, 12, 24])
def test_first_and_last_block_merge_nothing_and_no_block_less_than_the_one_before(
    schedule: Schedule, layers: int
) -> None:
    counts = schedule.counts(VitConfig(**{**vars(TINY), "layers": layers}))
    assert len(counts) == layers
    assert counts[0] == counts[-1] == 0
    assert list(counts[:-1]) == sorted(counts[:-1])


def test_schedules_as_measured() -> None:
    assert STRONG.counts(TINY) == (0, 8, 10, 12, 14, 15, 15, 15, 15, 15, 15, 0)
    assert LIGHT.counts(TINY) == (0, 2, 4, 6, 8, 10, 12, 14, 14, 14, 14, 0)
    assert sum(NOTHING.counts(TINY)) == 0
    assert LIGHT.expected_loss(2.0) > 2 * LIGHT.expected_loss(1.0) > 0 == NOTHING.expected_loss(5.0)


def test_costs_fall_with_what_is_merged() -> None:
    shares = [condensed_macs(TINY, schedule.counts(TINY)) / vit_macs(TINY) for schedule in SCHEDULES]
    assert shares[0] == 1
    assert 0.8 < shares[1] < 0.84
    assert 0.69 < shares[2] < 0.73


def test_nothing_to_merge_changes_nothing(trunk: VisionTransformer) -> None:
    x = trunk.embed(segment(3).pixels)
    condense = Condense((0, 0, 0), protected=1)
    torch.testing.assert_close(trunk(x, condense), trunk(x, Reduction()), atol=1e-6, rtol=0)
    assert condense.size is None


def test_sizes_add_up_to_the_patches(trunk: VisionTransformer) -> None:
    condense = Condense((0, 6, 0), protected=1)
    trunk(trunk.embed(segment(3).pixels), condense)
    assert condense.size is not None
    assert condense.slots is not None
    assert condense.size.shape[1] == condensed_widths(trunk.config, (0, 6, 0))[-1] == 11
    assert condense.size.sum(dim=1).tolist() == [17.0] * 3
    for row in range(3):
        assert torch.bincount(condense.slots[row]).tolist() == condense.size[row].tolist()
    assert (condense.slots[:, 0] == 0).all()
    assert condense.size[:, 0].tolist() == [1.0] * 3


def test_equal_tokens_lose_next_to_nothing(trunk: VisionTransformer) -> None:
    plain = torch.full((1, 3, 32, 32), 0.3)
    trunk.positions[1:] = 0
    condense = Condense((0, 6, 0), protected=1)
    merged = trunk(trunk.embed(plain), condense)
    torch.testing.assert_close(merged, trunk(trunk.embed(plain)), atol=1e-4, rtol=1e-4)
    assert condense.lost is not None
    busy = Condense((0, 6, 0), protected=1)
    trunk(trunk.embed(segment(1).pixels), busy)
    assert busy.lost is not None
    assert float(condense.lost) < 0.1 * float(busy.lost)
