"""TempMe against a plain version of its rules, and what it does beyond them."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.methods.joining import Merged
from vidskim.methods.tempme import TempMe, mean_of_frames, preset_for
from vidskim.models.cost import block_macs
from vidskim.models.variants import VitConfig, clip_vit
from vidskim.models.vit import VisionTransformer, unit
from vidskim.tokens.clip_plan import PRESETS, ClipPlan

PLAN = ClipPlan(8, ((1, 2), (2, 2)), r=3, across=0.3, within=0.1)


@pytest.fixture
def pixels(generator: torch.Generator) -> Tensor:
    """Two videos of eight frames that change slowly."""
    return torch.randn(2, 8, 3, 32, 32, generator=generator).mul(0.4).cumsum(dim=1)


@pytest.fixture
def positions(generator: torch.Generator) -> dict[int, Tensor]:
    return {1: torch.randn(8, 32, generator=generator), 2: torch.randn(4, 32, generator=generator)}


def plain_merge(x: Tensor, size: Tensor, metric: Tensor, r: int, classes: int) -> tuple[Tensor, Tensor]:
    """One clip's tokens [n, d], merged pair by pair."""
    even = [i for i in range(classes, len(x)) if i % 2 == 0]
    odd = [i for i in range(classes, len(x)) if i % 2 == 1]
    best = {}
    for i in even:
        cosines = [float(torch.cosine_similarity(metric[i], metric[j], dim=0)) for j in odd]
        best[i] = (max(cosines), odd[cosines.index(max(cosines))])
    going = sorted(best, key=lambda i: -best[i][0])[:r]
    groups = {j: [j] for j in (*range(classes), *(i for i in even if i not in going), *odd)}
    for i in going:
        groups[best[i][1]].append(i)
    rows = [(size[group, None] * x[group]).sum(dim=0) / size[group].sum() for group in groups.values()]
    return torch.stack(rows), torch.stack([size[group].sum() for group in groups.values()])


def plain_block(
    block: torch.nn.Module, x: Tensor, size: Tensor, within: int, classes: int
) -> tuple[Tensor, Tensor]:
    """One clip [n, d] through one block."""
    attention: Any = block.attention
    q, k, v = attention.project(block.norm1(x)[None])
    logits = q @ k.transpose(2, 3) / k.shape[3] ** 0.5 + size.log()
    x = x + attention.merge(logits.softmax(dim=3) @ v)[0]
    if within:
        x, size = plain_merge(x, size, k[0].mean(dim=0), within, classes)
    return x + block.mlp(block.norm2(x)), size


def plain_frames(
    trunk: VisionTransformer, video: Tensor, plan: ClipPlan, positions: dict[int, Tensor]
) -> Tensor:
    """Unit vectors [t, dim] of one video, clip by clip."""
    clips = [(x, torch.ones(len(x))) for x in trunk.norm_pre(trunk.embed(video))]
    counts = plan.blocks(layers=trunk.config.layers, patches=trunk.config.patches)
    for layer, (block, count) in enumerate(zip(trunk.blocks, counts, strict=True)):
        k, classes = count.joined, count.frames // count.joined
        if k > 1:
            joined = []
            for start in range(0, len(clips), k):
                group = range(start, start + k)
                rows = [(i, j) for i in group for j in range(classes)]
                rows += [(i, j) for i in group for j in range(classes, len(clips[i][0]))]
                metric = torch.stack([clips[i][0][j] for i, j in rows])
                size = torch.stack([clips[i][1][j] for i, j in rows])
                x = (
                    metric + torch.stack([positions[layer][i] for i, _ in rows])
                    if layer in positions
                    else metric
                )
                joined.append(plain_merge(x, size, metric, count.across, count.frames))
            clips = joined
        clips = [plain_block(block, x, size, count.within, count.frames) for x, size in clips]
    classes = torch.cat([x[: counts[-1].frames] for x, _ in clips])
    return unit(trunk.project(classes))


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, joins=((1, 2),)),  # several clips are left
        replace(PLAN, joins=((0, 4), (2, 2))),  # the first and the last block join
        replace(PLAN, across=0.9, within=0.45),
        replace(PLAN, joins=()),
    ],
)
@pytest.mark.parametrize("faithful", [True, False])
def test_the_plain_version(
    trunk: VisionTransformer, pixels: Tensor, generator: torch.Generator, plan: ClipPlan, faithful: bool
) -> None:
    entering = {b.layer: b.clips * b.joined for b in plan.blocks(layers=3, patches=16) if b.joined > 1}
    positions = {layer: torch.randn(clips, 32, generator=generator) for layer, clips in entering.items()}
    frames, _ = TempMe(plan, faithful=faithful, positions=positions).run(trunk, pixels)
    wanted = torch.stack([plain_frames(trunk, video, plan, positions) for video in pixels])
    torch.testing.assert_close(frames, wanted, atol=2e-5, rtol=0)


def test_frames_alone_are_the_trunk(trunk: VisionTransformer, pixels: Tensor) -> None:
    method = TempMe(ClipPlan(8, ()))
    frames, trail = method.run(trunk, pixels)
    torch.testing.assert_close(frames[1], unit(trunk(trunk.embed(pixels[1]))))
    assert trail == ()
    config, n = trunk.config, 17
    last = block_macs(config, queries=1, fresh=n, context=n)
    assert method.macs(config) == 8 * (
        16 * 192 * 32 + 32 * 16 + 2 * block_macs(config, queries=n, fresh=n, context=n) + last
    )


def test_joining_lets_frames_see_each_other(trunk: VisionTransformer, pixels: Tensor) -> None:
    method = TempMe(PLAN.without_merging())
    frames, trail = method.run(trunk, pixels)
    other = pixels.clone()
    other[:, 7] = 0
    changed = (method.run(trunk, other)[0] - frames).abs().amax(dim=(0, 2))
    assert trail == ()
    assert bool((changed[4:] > 1e-4).all())  # frames 4 to 7 end in one clip
    assert float(changed[:4].max()) == 0


@pytest.mark.parametrize("split", ["place", "clip"])
def test_merging_conserves_tokens_and_spares_class_tokens(
    trunk: VisionTransformer, pixels: Tensor, split: Any
) -> None:
    method = TempMe(PLAN, split=split)
    _, trail = method.run(trunk, pixels, traced=True)
    blocks = method.blocks(trunk.config)
    assert [(m.layer, m.stage) for m in trail] == [
        (0, "within"),
        (1, "across"),
        (1, "within"),
        (2, "across"),
        (2, "within"),
    ]
    assert [m.frames for m in trail] == [1, 2, 2, 4, 4]
    for merged in trail:
        block = blocks[merged.layer]
        count = block.attending if merged.stage == "across" else block.leaving
        assert len(merged.slots) == 2 * block.clips
        for row in merged.slots:
            assert row[: merged.frames].tolist() == list(range(merged.frames))
            assert sorted(set(row.tolist())) == list(range(count))
    alone = [method.run(trunk, video[None], traced=True)[1] for video in pixels]
    for number, merged in enumerate(trail):
        assert torch.equal(merged.slots, torch.cat([each[number].slots for each in alone]))
    assert [m.layer for m in method.run(trunk, pixels)[1]] == [0, 1, 1, 2]  # nothing reads the last block's


def twins(trail: tuple[Merged, ...], joined: dict[int, int], patches: int) -> list[float]:
    """For each join of a still video, whose clips are equal, the share of merges that unite the same patches."""
    clip, shares = [{patch} for patch in range(patches)], []
    for merged in trail:
        if merged.stage == "across":
            clip = clip * joined[merged.layer]
        slots = (merged.slots[0, merged.frames :] - merged.frames).tolist()
        groups = [
            [token for token, place in zip(clip, slots, strict=True) if place == slot]
            for slot in sorted(set(slots))
        ]
        if merged.stage == "across":
            united = [group for group in groups if len(group) > 1]
            shares.append(sum(all(token == group[0] for token in group) for group in united) / len(united))
        clip = [set().union(*group) for group in groups]
    return shares


def test_a_still_video_merges_across_by_clip_only(trunk: VisionTransformer, pixels: Tensor) -> None:
    """Published, patches of neighbouring frames meet by the parity of their count: at the first join never."""
    still = pixels[:1, :1].expand(1, 8, -1, -1, -1)
    plan = ClipPlan(8, ((1, 2), (2, 4)), r=2, across=0.3, within=0.0)
    share = {}
    for split in ("place", "clip"):
        _, trail = TempMe(plan, split=split).run(trunk, still)  # type: ignore[arg-type]
        share[split] = twins(trail, dict(plan.joins), 16)
    assert share["clip"] == [1.0, 1.0]
    assert share["place"][0] == 0.0


@pytest.mark.parametrize("split", ["place", "clip"])
@pytest.mark.parametrize("shown", [(8, 5), (3, 1), ([0, 2, 5], [7])])
def test_frames_that_do_not_count_have_no_influence(
    trunk: VisionTransformer, pixels: Tensor, positions: dict[int, Tensor], split: Any, shown: Any
) -> None:
    mask = torch.zeros(2, 8, dtype=torch.bool)
    for row, frames in zip(mask, shown, strict=True):
        row[list(range(frames)) if isinstance(frames, int) else frames] = True
    method = TempMe(PLAN, split=split, positions=positions)
    frames, _ = method.run(trunk, pixels, mask)
    other = pixels.masked_fill(~mask[..., None, None, None], torch.nan)
    assert bool(frames.isfinite().all())
    assert torch.equal(method.run(trunk, other, mask)[0], frames)
    video = mean_of_frames(frames, mask)
    torch.testing.assert_close(video[0], frames[0][mask[0]].mean(dim=0))
    alone, _ = method.run(trunk, pixels[1:], mask[1:])
    torch.testing.assert_close(alone[0], frames[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("split", ["place", "clip"])
def test_padding_is_merged_before_anything_else(trunk: VisionTransformer, pixels: Tensor, split: Any) -> None:
    """Every other frame is padding, more than a join merges: what is left is the frames that count, joined."""
    mask = torch.arange(8).expand(2, 8) % 2 == 0
    method = TempMe(ClipPlan(8, ((1, 4),), across=0.4), split=split)
    frames = mean_of_frames(method.run(trunk, pixels, mask)[0], mask)
    wanted = mean_of_frames(TempMe(ClipPlan(4, ((1, 2),))).run(trunk, pixels[:, ::2])[0])
    torch.testing.assert_close(frames, wanted, atol=1e-5, rtol=0)


def test_faithful_masks_in_the_mean_only(trunk: VisionTransformer, pixels: Tensor) -> None:
    mask = torch.arange(8).expand(2, 8) < 5
    method = TempMe(PLAN, faithful=True)
    frames, _ = method.run(trunk, pixels, mask)
    assert torch.equal(frames, method.run(trunk, pixels)[0])
    other = pixels.masked_fill(~mask[..., None, None, None], 0)
    assert not torch.equal(
        mean_of_frames(method.run(trunk, other, mask)[0], mask), mean_of_frames(frames, mask)
    )
    assert not torch.equal(TempMe(PLAN).run(trunk, pixels, mask)[0], frames)


def test_clip_positions_where_nothing_is_merged(
    trunk: VisionTransformer, pixels: Tensor, positions: dict[int, Tensor]
) -> None:
    plan = PLAN.without_merging()
    bare = TempMe(plan).run(trunk, pixels)[0]
    assert torch.equal(TempMe(plan, positions=positions, faithful=True).run(trunk, pixels)[0], bare)
    assert not torch.allclose(TempMe(plan, positions=positions).run(trunk, pixels)[0], bare, atol=1e-3)


def test_clip_positions_learn(trunk: VisionTransformer, pixels: Tensor, positions: dict[int, Tensor]) -> None:
    for table in positions.values():
        table.requires_grad_()
    frames, _ = TempMe(PLAN, positions=positions).run(trunk, pixels)
    mean_of_frames(frames).sum().backward()
    assert all(bool((table.grad.abs().amax(dim=1) > 0).all()) for table in positions.values())  # type: ignore[union-attr]


def test_sixteen_bits_are_near(trunk: VisionTransformer, pixels: Tensor) -> None:
    exact = mean_of_frames(TempMe(PLAN).run(trunk, pixels)[0])
    with torch.inference_mode():
        short = mean_of_frames(TempMe(PLAN).run(trunk.bfloat16(), pixels)[0])
    assert float(torch.cosine_similarity(short, exact).min()) > 0.97


def test_what_does_not_fit_is_named(trunk: VisionTransformer, pixels: Tensor) -> None:
    with pytest.raises(SettingsError, match=r"expected pixels \[b, 8, 3, y, x\], .* received \[2, 5"):
        TempMe(PLAN).run(trunk, pixels[:, :5])
    with pytest.raises(
        SettingsError, match=r"of block 1 are \[4, 32\], which is of another plan; .*\[8, 32\]"
    ):
        TempMe(PLAN, positions={1: torch.zeros(4, 32)}).run(trunk, pixels)
    with pytest.raises(
        SettingsError, match="unknown split of method='tempme', 'clips'; allowed: clip, place"
    ):
        TempMe(PLAN, split="clips")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="the authors' code, which splits by place"):
        TempMe(PLAN, split="clip", faithful=True)
    with pytest.raises(SettingsError, match="4 register tokens"):
        TempMe(PLAN).blocks(replace(trunk.config, registers=4))


def test_presets_by_backbone(trunk: VisionTransformer) -> None:
    assert preset_for(clip_vit("B/16")) == PRESETS["b16-12f"]
    config: VitConfig = trunk.config
    with pytest.raises(
        SettingsError, match="no plan is published for models of 3 blocks and patches of 8 pixels"
    ):
        preset_for(config)
    with pytest.raises(SettingsError, match="24 blocks"):
        preset_for(clip_vit("L/14"))
