"""reuse: its limits, its dials, and what a budget does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.methods.conftest import segment

from vidskim.errors import SettingsError
from vidskim.methods.baseline import Full
from vidskim.methods.layout import Segment
from vidskim.methods.plan import FEW_TOKENS
from vidskim.methods.reuse import BUDGET, Reuse
from vidskim.models.vit import VisionTransformer

STD = torch.tensor([0.5, 0.5, 0.5])


def still(frames: int) -> Segment:
    """One picture, again and again."""
    pixels = segment(1).pixels.expand(frames, -1, -1, -1).contiguous()
    return Segment(pixels, np.arange(frames) * 1.0, None, 0)


@pytest.mark.parametrize("anchors", ["both", "previous"])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7, 8])
def test_keeping_everything_is_the_full_encoder(trunk: VisionTransformer, anchors: str, frames: int) -> None:
    (full,) = Full().encode(trunk, [segment(frames)])
    (reused,) = Reuse(std=STD, keep=1.0, anchors=anchors).encode(trunk, [segment(frames)])
    torch.testing.assert_close(reused.vectors, full.vectors, atol=1e-5, rtol=0)


@pytest.mark.parametrize("anchors", ["both", "previous"])
def test_a_still_video_costs_almost_nothing_and_loses_nothing(trunk: VisionTransformer, anchors: str) -> None:
    (full,) = Full().encode(trunk, [still(7)])
    (reused,) = Reuse(std=STD, threshold=0.01, anchors=anchors).encode(trunk, [still(7)])
    torch.testing.assert_close(reused.vectors, full.vectors, atol=1e-5, rtol=0)
    assert reused.kept is not None
    assert reused.kept.shape[1] == 0
    assert reused.macs < 0.65 * full.macs


def test_cost_follows_the_threshold(trunk: VisionTransformer) -> None:
    macs = [Reuse(std=STD, threshold=t).encode(trunk, [segment(7)])[0].macs for t in (0.0, 0.2, 0.3, 10.0)]
    assert macs == sorted(macs, reverse=True)
    assert macs[0] > macs[-1]


def test_the_most_changed_patches_are_kept(trunk: VisionTransformer) -> None:
    pixels = torch.zeros(3, 3, 32, 32)
    pixels[1, :, 8:16, 16:24] = 1.0  # patch 6 differs from both I-frames
    pixels[1:, :, :8, :8] = 1.0  # patch 0 is as in the following one
    frames = Segment(pixels, np.arange(3) * 1.0, None, 0)
    for anchors, expected in (("both", [6]), ("previous", [0, 6])):
        method = Reuse(std=STD, interleave=1, keep=len(expected) / 16, anchors=anchors)
        (encoded,) = method.encode(trunk, [frames])
        assert encoded.kept is not None
        assert sorted(encoded.kept[0].tolist()) == expected


def test_random_patches_are_as_many_as_chosen_ones(trunk: VisionTransformer) -> None:
    chosen, random = (
        Reuse(std=STD, budget=0.8, select=select).encode(trunk, [segment(20)])[0]
        for select in ("difference", "random")
    )
    assert chosen.kept is not None
    assert random.kept is not None
    assert torch.equal((chosen.kept >= 0).sum(dim=1), (random.kept >= 0).sum(dim=1))
    assert chosen.macs == random.macs
    assert not torch.equal(chosen.kept, random.kept)


@pytest.mark.parametrize("budget", [0.5, 0.7, 0.9, 1.0])
def test_a_budget_is_kept_and_nearly_spent(trunk: VisionTransformer, budget: float) -> None:
    (full,) = Full().encode(trunk, [segment(40)])
    (reused,) = Reuse(std=STD, budget=budget).encode(trunk, [segment(40)])
    assert 0.85 * budget < reused.macs / full.macs <= budget


@pytest.mark.parametrize("frames", [6, 16])
def test_a_short_video_keeps_its_budget_too(trunk: VisionTransformer, frames: int) -> None:
    full, reused = (
        method.encode(trunk, [segment(frames)])[0] for method in (Full(), Reuse(std=STD, budget=0.6))
    )
    assert reused.macs <= 0.6 * full.macs


def test_a_handful_of_frames_is_encoded_in_full(
    trunk: VisionTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidskim.methods.plan.CACHED_WEIGHTS", 0)
    few = FEW_TOKENS // (trunk.config.prefix + trunk.config.patches)
    segments = [segment(few), segment(few + 1), replace(segment(few), continues=True)]
    full = Full().encode(trunk, segments)
    reused = Reuse(std=STD).encode(trunk, segments)
    torch.testing.assert_close(reused[0].vectors, full[0].vectors)
    assert [own.macs < whole.macs for own, whole in zip(reused, full, strict=True)] == [False, True, True]


def test_a_larger_budget_loses_less(trunk: VisionTransformer) -> None:
    (full,) = Full().encode(trunk, [segment(40)])
    cosines = []
    for budget in (0.5, 0.75, 1.0):
        (reused,) = Reuse(std=STD, budget=budget).encode(trunk, [segment(40)])
        cosines.append(float((reused.vectors * full.vectors).sum(dim=1).mean()))
    assert cosines == sorted(cosines)


def test_another_scene_begins_with_an_i_frame(trunk: VisionTransformer) -> None:
    frames = still(24)
    frames.pixels[13:] = segment(1, seed=9).pixels + 3
    (encoded,) = Reuse(std=STD, budget=0.6).encode(trunk, [frames])
    (full,) = Full().encode(trunk, [frames])
    cosines = (encoded.vectors * full.vectors).sum(dim=1)
    assert float(cosines.min()) > 0.99  # nothing of one scene reaches the other
    assert encoded.anchor_frames[13:].any()


def test_windows_follow_each_other(trunk: VisionTransformer) -> None:
    whole = segment(30)
    (first,) = Reuse(std=STD).encode(
        trunk, [Segment(whole.pixels[:16], whole.times_s[:16], None, 0, continues=True)]
    )
    assert first.anchor_frames[-1]
    assert first.closing is not None
    rest = Segment(whole.pixels[15:], whole.times_s[15:], None, 15, carried=first.closing)
    (second,) = Reuse(std=STD).encode(trunk, [rest])
    torch.testing.assert_close(second.vectors[0], first.vectors[-1])
    (full,) = Full().encode(trunk, [whole])
    assert first.macs + second.macs <= BUDGET * full.macs


def test_the_default_is_a_budget_and_one_dial_means_fixed_groups() -> None:
    assert Reuse(std=STD).budget == BUDGET
    assert Reuse(std=STD).idle == ("interleave", "keep", "threshold")
    assert (Reuse(std=STD, keep=0.3).interleave, Reuse(std=STD, keep=0.3).budget) == (2, None)
    assert (Reuse(std=STD, interleave=5).keep, Reuse(std=STD, anchors="previous").interleave) == (0.15, 2)
    assert Reuse(std=STD, threshold=0.1).idle == ("budget", "keep")


def test_unknown_anchors_are_refused() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'both'"):
        Reuse(std=STD, anchors="bothh")


def test_a_budget_beside_what_it_decides_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"received budget=0.4 and interleave=2, keep=0.1"):
        Reuse(std=STD, budget=0.4, interleave=2, keep=0.1)
    with pytest.raises(SettingsError, match=r"above 0 and at most 1; received 1.5"):
        Reuse(std=STD, budget=1.5)
    with pytest.raises(SettingsError, match='goes with anchors="both"'):
        Reuse(std=STD, budget=0.5, anchors="previous")
