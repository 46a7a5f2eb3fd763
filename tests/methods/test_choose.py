"""Which patches a P-frame recomputes."""

from dataclasses import replace

import pytest
import torch
from tests.methods.conftest import laid_out, segment

from vidskim.errors import SettingsError
from vidskim.methods.choose import Budget, patch_difference
from vidskim.methods.layout import Segment

STD = torch.tensor([0.25, 0.5, 1.0])


def budget(select: str, **settings: object) -> Budget:
    return Budget(**{"select": select, "keep": 0.25, "threshold": None, "seed": 0} | settings)


def test_difference_is_measured_on_pixels_in_0_to_1() -> None:
    frames = torch.zeros(2, 3, 32, 32)
    frames[1, 0, :8, 8:16] = (
        0.4  # red of patch 1; times its deviation 0.25 that is 0.1, a third of it on average
    )
    change = patch_difference(frames, torch.tensor([1]), torch.tensor([0]), std=STD, grid=4)
    expected = torch.zeros(1, 16)
    expected[0, 1] = 0.1 / 3
    torch.testing.assert_close(change, expected)


def test_motion_takes_the_most_moving_patches_in_order() -> None:
    moving = segment(3, motion=True)
    layout = laid_out([moving], interleave=2, lookahead=False)
    kept, counts, scores = budget("motion").choose(layout, [moving], 4, None)
    assert moving.motion is not None
    assert kept.tolist() == moving.motion[1:].flatten(1).topk(4).indices.tolist()
    assert counts.tolist() == [4, 4]
    assert scores is not None
    assert scores.shape == (2, 16)


def test_motion_falls_back_to_the_difference_for_videos_without_vectors() -> None:
    segments = [segment(2, motion=True), segment(2)]
    layout = laid_out(segments, interleave=1, lookahead=False)
    rule = budget("motion")
    assert rule.needs_difference(segments)
    assert not rule.needs_difference(segments[:1])
    difference = torch.rand(2, 16, generator=torch.Generator().manual_seed(3))
    kept, _, _ = rule.choose(layout, segments, 4, difference)
    assert kept[1].tolist() == difference[1].topk(4).indices.tolist()
    assert segments[0].motion is not None
    assert kept[0].tolist() == segments[0].motion[1].flatten().topk(4).indices.tolist()


def test_random_draws_do_not_depend_on_the_batch() -> None:
    segments = [segment(3, seed=1), segment(3, seed=2)]
    together, _, _ = budget("random").choose(
        laid_out(segments, interleave=2, lookahead=False), segments, 4, None
    )
    alone, _, _ = budget("random").choose(
        laid_out(segments[1:], interleave=2, lookahead=False), segments[1:], 4, None
    )
    assert torch.equal(together[2:], alone)


def test_random_draws_do_not_depend_on_where_segments_end() -> None:
    whole = segment(6)
    parts = [
        Segment(whole.pixels[:3], whole.times_s[:3], None, 0),
        Segment(whole.pixels[3:], whole.times_s[3:], None, 3),
    ]
    once, _, _ = budget("random").choose(laid_out([whole], interleave=2, lookahead=False), [whole], 4, None)
    twice, _, _ = budget("random").choose(laid_out(parts, interleave=2, lookahead=False), parts, 4, None)
    assert torch.equal(once, twice)
    assert len(once.unique(dim=0)) == 4  # another draw for each frame


def test_random_without_a_seed_follows_the_global_generator() -> None:
    layout = laid_out([segment(3)], interleave=2, lookahead=False)
    torch.manual_seed(5)
    first, _, _ = budget("random", seed=None).choose(layout, [segment(3)], 4, None)
    torch.manual_seed(5)
    assert torch.equal(first, torch.randn(2, 16).topk(4).indices)


def test_threshold_pads_with_minus_one() -> None:
    still_then_busy = torch.tensor([[0.0] * 16, [0.0] * 13 + [0.3, 0.2, 0.1]])
    layout = laid_out([segment(3)], interleave=2, lookahead=False)
    kept, counts, _ = budget("difference", threshold=0.15).choose(layout, [segment(3)], 4, still_then_busy)
    assert counts.tolist() == [0, 2]
    assert kept.tolist() == [[-1, -1], [13, 14]]


@pytest.mark.parametrize(
    ("select", "settings", "message"),
    [
        ("motionn", {}, "Did you mean 'motion'"),
        (
            "nothing",
            {},
            "allowed: auto, center, center-released, difference, motion, motion-signed, random, residuals, uniform",
        ),
        ("random", {"threshold": 0.1}, 'goes with select="difference"'),
        ("difference", {"threshold": -1.0}, "at least 0"),
        ("difference", {"keep": 2.0}, "at most 1"),
    ],
)
def test_bad_settings_are_named(select: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        budget(select, **settings)


def test_auto_takes_motion_where_it_is_handed_in() -> None:
    segments = [segment(2, motion=True), segment(2)]
    layout = laid_out(segments, interleave=1, lookahead=False)
    difference = torch.rand(2, 16, generator=torch.Generator().manual_seed(3))
    kept, _, _ = budget("auto").choose(layout, segments, 4, difference)
    expected, _, _ = budget("motion").choose(layout, segments, 4, difference)
    assert torch.equal(kept, expected)


@pytest.mark.parametrize("select", ["motion", "motion-signed", "residuals"])
def test_maps_that_are_handed_in_are_used_as_they_are(select: str) -> None:
    moving = segment(3)
    maps = torch.linspace(-1, 1, 3 * 16).view(3, 4, 4)  # the least motion first, whatever its sign
    layout = laid_out([replace(moving, motion=maps)], interleave=2, lookahead=False)
    kept, _, scores = budget(select).choose(layout, [replace(moving, motion=maps)], 4, None)
    assert kept.tolist() == [[15, 14, 13, 12]] * 2
    assert scores is not None
    assert torch.equal(scores, maps[1:].flatten(1)) == (
        select == "residuals"
    )  # the only one without tie noise
    torch.testing.assert_close(scores, maps[1:].flatten(1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("select", ["center", "center-released", "uniform"])
def test_fixed_selections_need_no_scores(select: str) -> None:
    layout = laid_out([segment(3)], interleave=2, lookahead=False)
    kept, counts, scores = budget(select).choose(layout, [segment(3)], 4, None)
    assert not budget(select).needs_difference([segment(3)])
    assert kept.tolist()[0] == kept.tolist()[1]
    assert counts.tolist() == [4, 4]
    assert scores is None
