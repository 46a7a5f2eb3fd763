"""Token merging inside the trunk: against plain attention over all tokens, its limits, and its trace."""

import pytest
import torch
from tests.methods.conftest import CONFIG, segment

from vidskim.errors import SettingsError
from vidskim.methods.baseline import Full
from vidskim.methods.merge import Merge, Merging
from vidskim.models.attention import attend
from vidskim.models.cost import merged_macs, vit_macs
from vidskim.models.vit import VisionTransformer


def test_nothing_merged_is_the_full_encoder(trunk: VisionTransformer) -> None:
    (full,), (merged,) = Full().encode(trunk, [segment(5)]), Merging(r=0).encode(trunk, [segment(5)])
    assert torch.equal(merged.vectors, full.vectors)
    assert merged.macs == full.macs
    assert merged.slots is not None
    assert torch.equal(merged.slots, torch.arange(1, 17).expand(5, 3, -1))


def test_more_merged_costs_less(trunk: VisionTransformer) -> None:
    macs = [Merging(r=r).encode(trunk, [segment(3)])[0].macs for r in (0, 1, 2, 4, 8)]
    assert macs == sorted(macs, reverse=True)
    assert macs[0] == 3 * vit_macs(CONFIG)
    assert macs[-1] == 3 * merged_macs(CONFIG, r=100)


def test_frames_of_equal_patches_lose_nothing(trunk: VisionTransformer) -> None:
    """Equal tokens merge exactly: proportional attention makes up for those that are gone."""
    trunk.positions.zero_()
    flat = segment(2)
    flat.pixels.copy_(flat.pixels[:, :, :1, :1].expand_as(flat.pixels))
    (full,), (merged,) = Full().encode(trunk, [flat]), Merging(r=8).encode(trunk, [flat])
    torch.testing.assert_close(merged.vectors, full.vectors, atol=1e-5, rtol=0)
    assert merged.slots is not None
    assert merged.slots[0, -1].unique().numel() == 4  # 17, 9, 5 tokens, and the last block merges none


def test_sizes_stand_for_repeated_keys() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, n, 16, generator=generator) for n in (4, 3, 3))
    merge = Merge(1, protected=0)
    merge.size = torch.tensor([[1.0, 3.0, 2.0]]).expand(2, -1)
    order = torch.tensor([0, 1, 1, 1, 2, 2])
    torch.testing.assert_close(merge.attend(0, q, k, v), attend(q, k[:, :, order], v[:, :, order]))
    half = merge.attend(0, q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert half.dtype == torch.bfloat16


def test_a_pass_starts_anew_and_its_slots_lead_to_the_tokens(trunk: VisionTransformer) -> None:
    merge = Merge(3, protected=1)
    x = trunk.embed(segment(2).pixels)
    first = trunk(x, merge)
    slots = merge.slots(3)
    assert torch.equal(trunk(x, merge), first)
    assert torch.equal(merge.slots(3), slots)
    assert slots.shape == (2, 3, 16)
    counts = [[len(set(frame[layer].tolist())) for frame in slots] for layer in range(3)]
    assert [max(layer) for layer in counts] == [13, 10, 10]
    assert int(slots.min()) == 1  # slot 0 is the class token's
    assert merge.size is not None
    sizes = torch.stack([torch.bincount(frame, minlength=11)[1:] for frame in slots[:, -1]])
    assert torch.equal(merge.size[:, 1:], sizes.float())


@pytest.mark.parametrize("r", [-1, None])
def test_r_outside_its_range_is_refused(r: int | None) -> None:
    with pytest.raises(SettingsError, match=f"merged in each block, 0 or more; received {r}"):
        Merging(r=r)  # type: ignore[arg-type]
