"""reuse: its limits, its blend against a plain one, and the grouped path against the gathered one."""

import numpy as np
import pytest
import torch
from tests.methods.conftest import segment

from vidskim.errors import SettingsError
from vidskim.methods.baseline import Full
from vidskim.methods.frames import Record
from vidskim.methods.layout import Segment
from vidskim.methods.reuse import Blend, Reuse, group_size
from vidskim.models.vit import VisionTransformer

STD = torch.tensor([0.5, 0.5, 0.5])


@pytest.mark.parametrize("anchors", ["both", "previous"])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7, 8])
def test_keeping_everything_is_the_full_encoder(trunk: VisionTransformer, anchors: str, frames: int) -> None:
    (full,) = Full().encode(trunk, [segment(frames)])
    (reused,) = Reuse(std=STD, keep=1.0, anchors=anchors).encode(trunk, [segment(frames)])
    torch.testing.assert_close(reused.vectors, full.vectors, atol=1e-5, rtol=0)


@pytest.mark.parametrize("anchors", ["both", "previous"])
def test_a_still_video_costs_almost_nothing_and_loses_nothing(trunk: VisionTransformer, anchors: str) -> None:
    still = segment(1).pixels.expand(7, -1, -1, -1).contiguous()
    frames = Segment(still, np.arange(7) * 1.0, None, 0)
    (full,) = Full().encode(trunk, [frames])
    (reused,) = Reuse(std=STD, threshold=0.01, anchors=anchors).encode(trunk, [frames])
    torch.testing.assert_close(reused.vectors, full.vectors, atol=1e-5, rtol=0)
    assert reused.kept is not None
    assert reused.kept.shape[1] == 0
    assert reused.macs < 0.6 * full.macs


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


@pytest.mark.parametrize("share", [None, 0.3])
def test_grouped_and_gathered_blends_agree_with_a_plain_one(
    trunk: VisionTransformer, share: float | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    context = [torch.empty(2, 3, 2, 17, 16) for _ in range(3)]
    trunk(trunk.embed(segment(3).pixels), Record(context, torch.arange(3)))
    previous = torch.tensor([0, 0, 1, 1])
    shares = None if share is None else torch.rand(4, 17, generator=generator)
    positions = torch.stack([torch.randperm(17, generator=generator)[:5] for _ in range(4)])
    q, k, v = (torch.randn(4, 2, 5, 16, generator=generator) for _ in range(3))
    grouped = Blend(context, previous, previous + 1, shares, positions).attend(1, q, k, v)
    order = torch.tensor([2, 0, 3])  # no whole groups: every frame gathers its own
    some = Blend(
        context,
        previous[order],
        previous[order] + 1,
        None if shares is None else shares[order],
        positions[order],
    )
    torch.testing.assert_close(some.attend(1, q[order], k[order], v[order]), grouped[order])

    recorded_keys, recorded_values = context[1]
    for frame in range(4):
        both = []
        for recorded, fresh in ((recorded_keys, k), (recorded_values, v)):
            a = int(previous[frame])
            weight = torch.zeros(17, 1) if shares is None else shares[frame][:, None]
            blended = recorded[a] * (1 - weight) + recorded[a + 1] * weight
            blended[:, positions[frame]] = fresh[frame]
            both.append(blended)
        logits = q[frame] @ both[0].transpose(1, 2) / 4
        torch.testing.assert_close(grouped[frame], logits.softmax(dim=-1) @ both[1])


def test_group_size_is_one_where_groups_differ() -> None:
    assert group_size(torch.tensor([0, 0, 1, 1])) == 2
    assert group_size(torch.tensor([0, 0, 1])) == 1


def test_unknown_anchors_are_refused() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'both'"):
        Reuse(std=STD, anchors="bothh")
