"""Plans: I-frames over scenes, patches within a budget, and the candidate that loses least."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.methods.conftest import CONFIG

from vidskim.methods.change import Change
from vidskim.methods.condense import LIGHT, NOTHING, STRONG, Schedule
from vidskim.methods.layout import Grouping, Segment
from vidskim.methods.plan import (
    anchor_macs,
    between_macs,
    fit_counts,
    is_tiny,
    level_counts,
    make_plan,
    remaining,
    spread,
)
from vidskim.models.cost import vit_macs
from vidskim.models.variants import VitConfig, clip_vit

STD = torch.full((3,), 0.5)


@given(
    frames=st.integers(1, 60),
    starts=st.sets(st.integers(1, 59), max_size=5),
    interleave=st.integers(0, 23),
    closing=st.booleans(),
)
def test_every_scene_has_an_i_frame_and_no_p_frame_leans_on_another(
    frames: int, starts: set[int], interleave: int, closing: bool
) -> None:
    begins = sorted(start for start in starts if start < frames)
    grouping = spread(frames, begins, interleave, closing=closing)
    assert grouping.anchors[0] == 0
    assert not closing or grouping.anchors[-1] == frames - 1
    scene = torch.bucketize(torch.arange(frames), torch.tensor(begins), right=True).tolist()
    assert set(scene) == {scene[anchor] for anchor in grouping.anchors}
    between, previous, following = grouping.links()
    assert sorted([*between, *grouping.anchors]) == list(range(frames))
    for frame, before, after in zip(between, previous, following, strict=True):
        assert scene[before] == scene[frame] == scene[after]
        assert before == after or before < frame < after


def test_links_without_lookahead_look_back() -> None:
    assert Grouping((0, 3), (), 6, lookahead=False).links() == ([1, 2, 4, 5], [0, 0, 3, 3], [0, 0, 3, 3])


@given(
    frames=st.integers(1, 20),
    left=st.floats(0, 1),
    schedule=st.sampled_from([NOTHING, LIGHT, STRONG]),
    seed=st.integers(0, 9),
)
def test_counts_fit_what_is_left_and_another_level_would_not(
    frames: int, left: float, schedule: Schedule, seed: int
) -> None:
    scores = torch.rand(frames, CONFIG.patches, generator=torch.Generator().manual_seed(seed))
    scores = scores.sort(dim=1, descending=True).values
    budget = left * frames * vit_macs(CONFIG)
    counts = fit_counts(CONFIG, scores, schedule, budget).tolist()
    levels = level_counts(CONFIG.patches)
    assert set(counts) <= set(levels)
    spent = sum(between_macs(CONFIG, count, schedule) for count in counts)
    assert spent <= budget or counts == [levels[0]] * frames


def test_patches_go_where_the_change_is() -> None:
    scores = torch.full((2, CONFIG.patches), 0.01)
    scores[1] = torch.linspace(0.3, 0.2, CONFIG.patches)
    counts = fit_counts(CONFIG, scores, NOTHING, 1.0 * vit_macs(CONFIG))
    assert counts[0] == level_counts(CONFIG.patches)[0]
    assert counts[1] > 4 * counts[0]
    assert remaining(scores, counts)[1] < scores[1].mean()


def test_still_frames_get_few_i_frames_and_moving_ones_many() -> None:
    # as deep and as wide as a real one, for the costs
    config = VitConfig(**{**vars(CONFIG), "layers": 12, "width": 192, "hidden": 768, "heads": 3})
    generator = torch.Generator().manual_seed(0)
    quiet = torch.randn(1, 3, 32, 32, generator=generator).repeat(33, 1, 1, 1)
    quiet[:, :, :8, :8] += torch.randn(33, 3, 8, 8, generator=generator)
    moving = torch.randn(33, 3, 32, 32, generator=generator) * 0.1
    moving = moving.cumsum(dim=0)
    total = 0.45 * 32 * vit_macs(config)
    plans = [
        make_plan(
            config,
            Change(pixels, std=STD, grid=4),
            frames=33,
            total=total,
            strain=1.0,
            begun=True,
            closing=False,
        )
        for pixels in (quiet, moving)
    ]
    assert len(plans[0].grouping.anchors) < len(plans[1].grouping.anchors)
    for plan in plans:
        anchors = (len(plan.grouping.anchors) - 1) * anchor_macs(config, plan.schedule)
        assert plan.left == pytest.approx(total - anchors)


def test_what_does_not_change_costs_next_to_nothing() -> None:
    scores = torch.zeros(3, CONFIG.patches)
    scores[1, :3] = 0.2
    fewest, *more = level_counts(CONFIG.patches)
    counts = fit_counts(CONFIG, scores, NOTHING, 3.0 * vit_macs(CONFIG)).tolist()
    assert counts == [fewest, min(level for level in more if level >= 3), fewest]

    config = VitConfig(**{**vars(CONFIG), "layers": 12, "width": 192, "hidden": 768, "heads": 3})
    still = Change(torch.randn(1, 3, 32, 32).repeat(33, 1, 1, 1), std=STD, grid=4)
    total = 0.45 * 32 * vit_macs(config)
    plan = make_plan(config, still, frames=33, total=total, strain=1.0, begun=True, closing=True)
    assert plan.schedule == NOTHING  # nothing is lost, also not by merging
    assert total - plan.left < 0.1 * 32 * vit_macs(config)


def test_where_merging_hurts_less_is_merged() -> None:
    config = VitConfig(**{**vars(CONFIG), "layers": 12, "width": 192, "hidden": 768, "heads": 3})
    pixels = torch.randn(33, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 0.1
    change = Change(pixels.cumsum(dim=0), std=STD, grid=4)
    total = 0.45 * 32 * vit_macs(config)
    easy, hard = (
        make_plan(config, change, frames=33, total=total, strain=strain, begun=True, closing=False)
        for strain in (0.1, 100.0)
    )
    assert easy.schedule == STRONG
    assert hard.schedule == NOTHING


def test_too_small_a_budget_gets_the_cheapest_plan() -> None:
    change = Change(torch.randn(20, 3, 32, 32), std=STD, grid=4)
    plan = make_plan(CONFIG, change, frames=20, total=1.0, strain=1.0, begun=True, closing=False)
    assert len(plan.grouping.anchors) == 2
    assert plan.schedule == STRONG


def test_a_second_pass_is_not_worth_it_for_few_tokens_and_large_weights() -> None:
    base = clip_vit("B/32")
    videos = [
        Segment(torch.empty(frames, 3, 0, 0), np.arange(frames) * 1.0, None, 0) for frames in range(1, 20)
    ]
    assert [len(video.pixels) for video in videos if is_tiny(base, video)] == list(range(1, 11))
    assert not any(is_tiny(CONFIG, video) for video in videos)  # its weights stay in a cache
    assert not any(is_tiny(base, replace(video, continues=True)) for video in videos)
