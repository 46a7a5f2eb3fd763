"""Where patches go, against what the merging itself does with tokens that say where they come from."""

import pytest
import torch

from vidskim.methods.joining import JoinClips, Merged, follow_patches
from vidskim.tokens.clip_plan import ClipPlan

PATCHES = 9


@pytest.mark.parametrize(
    "plan",
    [
        ClipPlan(12, ((1, 2), (2, 2), (3, 3)), r=2, across=0.3, within=0.1),
        ClipPlan(8, ((0, 4),), across=0.4, within=0.2),
        ClipPlan(6, ((1, 3),), r=1),
        ClipPlan(4, ((2, 2),)),
        ClipPlan(3, (), r=1),
    ],
)
@pytest.mark.parametrize("by_clip", [True, False])
def test_patches_are_where_their_marks_are(plan: ClipPlan, by_clip: bool, generator: torch.Generator) -> None:
    """Each token begins as a mark of its own; in the end it shows the mean of the marks of its patches."""
    blocks = plan.blocks(layers=5, patches=PATCHES)
    tokens = plan.frames * (1 + PATCHES)
    joining = JoinClips(blocks, positions={}, by_clip=by_clip)
    x = joining.begin(torch.eye(tokens).view(plan.frames, 1 + PATCHES, tokens))
    after = []
    for block in blocks:
        x = joining.before_attention(block.layer, x)
        keys = torch.randn(len(x), 2, x.shape[1], 8, generator=generator)
        x = joining.after_attention(block.layer, x, keys)
        after.append(x.flatten(0, 1))
    places = follow_patches(blocks, joining.trail)
    assert len(places) == len(blocks)
    marks = torch.arange(tokens).view(plan.frames, 1 + PATCHES)[:, 1:]
    for block, place, shown in zip(blocks, places, after, strict=True):
        assert place.shape == (plan.frames, PATCHES)
        assert len(place.unique()) == block.clips * (block.leaving - block.frames)
        held = shown[place.flatten(), marks.flatten()]
        together = (place.flatten()[:, None] == place.flatten()).sum(dim=1)
        torch.testing.assert_close(held, 1 / together)


def test_without_merging_every_patch_stays_alone() -> None:
    blocks = ClipPlan(4, ((1, 2), (2, 2))).blocks(layers=3, patches=2)
    first, second, third = follow_patches(blocks, ())
    assert first.tolist() == [[1, 2], [4, 5], [7, 8], [10, 11]]
    assert second.tolist() == [[2, 3], [4, 5], [8, 9], [10, 11]]
    assert third.tolist() == [[4, 5], [6, 7], [8, 9], [10, 11]]


def test_merges_of_a_row_share_a_number() -> None:
    blocks = ClipPlan(2, (), r=1).blocks(layers=1, patches=3)
    slots = torch.tensor([[0, 2, 1, 2], [0, 1, 2, 1]])
    (places,) = follow_patches(blocks, [Merged(0, "within", 1, slots)])
    assert places.tolist() == [[2, 1, 2], [4, 5, 4]]
