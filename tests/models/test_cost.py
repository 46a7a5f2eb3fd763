"""The closed formulas reproduce published figures to the printed digits."""

from dataclasses import replace

import pytest

from vidskim.models.cost import (
    block_macs,
    clips_macs,
    embed_macs,
    merged_macs,
    published_clips_macs,
    published_residual_macs,
    published_vit_macs,
    tokenizer_macs,
    vit_macs,
)
from vidskim.models.variants import clip_vit
from vidskim.tokens.clip_plan import PRESETS, ClipPlan
from vidskim.tokens.match import merged_count
from vidskim.tokens.select import kept_count

# ResidualViT's cost per frame in GMAC: full, full with attention, P-frame, and the mean at N = 1, 2, 3, 5, 10
TABLE = {
    "B/32": (4.363, 4.409, 0.881, (2.622, 2.041, 1.751, 1.461, 1.197), (-39.9, -53.2, -59.9, -66.5, -72.6)),
    "B/16": (16.848, 17.563, 2.749, (9.799, 7.449, 6.274, 5.099, 4.031), (-41.8, -55.8, -62.8, -69.7, -76.1)),
    "L/14": (
        77.766,
        81.013,
        12.235,
        (45.00, 34.08, 28.62, 23.16, 18.19),
        (-42.1, -56.2, -63.2, -70.2, -76.6),
    ),
}


@pytest.mark.parametrize("size", TABLE)
def test_residualvit_table(size: str) -> None:
    full, with_attention, between, means, savings = TABLE[size]
    config = clip_vit(size)
    i_frame = published_vit_macs(config, attention=False)
    p_frame = published_residual_macs(config, kept=kept_count(config.patches, 0.15))
    digits = 2 if size == "L/14" else 3
    assert round(i_frame / 1e9, 3) == full
    assert round(published_vit_macs(config, attention=True) / 1e9, 3) == with_attention
    assert round(p_frame / 1e9, 3) == between
    for n, mean, saving in zip((1, 2, 3, 5, 10), means, savings, strict=True):
        each = (i_frame + n * p_frame) / (1 + n)
        assert round(each / 1e9, digits) == mean
        assert round(100 * (each / i_frame - 1), 1) == saving


def test_the_last_block_asks_for_the_class_token_only() -> None:
    config = clip_vit("B/16")
    d, n = config.width, 197
    skipped = (n - 1) * (2 * d * d + 2 * d * 4 * d) + 2 * (n - 1) * n * d
    assert vit_macs(config) == published_vit_macs(config, attention=True) - skipped


def test_cost_follows_what_is_kept() -> None:
    config = clip_vit("B/32")
    costs = [vit_macs(config, kept=kept, context=50) for kept in (0, 7, 20, 49)]
    assert costs == sorted(costs)
    assert costs[-1] == vit_macs(config)


def test_tokenizer_macs_grow_with_depth() -> None:
    config = clip_vit("B/32")
    assert tokenizer_macs(config) == 512 * 768
    assert tokenizer_macs(config, depth=2) == 512 * 768 + 768 * 768


def test_published_cost_of_merging_and_of_smaller_frames() -> None:
    """ResidualViT's other P-frames of B/32: r = 20 is 0.860 GMAC, 96 pixels 0.956."""
    config = clip_vit("B/32")
    tokens, total = 51, embed_macs(config, 49) + 768 * 512 + tokenizer_macs(config)
    for _ in range(config.layers):
        left = merged_count(tokens, 20, protected=2)
        total += block_macs(config, queries=tokens, fresh=tokens, context=tokens, left=left, attention=False)
        tokens = left
    assert round(total / 1e9, 3) == 0.860
    assert round(published_residual_macs(replace(config, image=96), kept=9) / 1e9, 3) == 0.956


def test_merging_nothing_costs_what_the_tower_does() -> None:
    config = clip_vit("B/16")
    assert merged_macs(config, r=0) == vit_macs(config)
    assert merged_macs(config, r=0, extra=1) == vit_macs(config, extra=1)
    assert merged_macs(config, r=16) < 0.6 * vit_macs(config)


# TempMe's plans on CLIP: multiply-adds in G, without and with norms and softmax
CLIPS = [
    ("B/32", PRESETS["b32-12f"], (34.71, 34.76)),
    ("B/16", PRESETS["b16-12f"], (121.13, 121.44)),
    ("B/32", PRESETS["b32-12f"].without_merging(), (54.10, 54.23)),
    ("B/32", ClipPlan(12, ()), (52.91, 52.98)),
    ("B/16", ClipPlan(12, ()), (210.76, 211.32)),
]


@pytest.mark.parametrize(("size", "plan", "figures"), CLIPS)
def test_published_cost_of_joined_clips(size: str, plan: ClipPlan, figures: tuple[float, float]) -> None:
    config = clip_vit(size)
    blocks = plan.blocks(layers=12, patches=config.patches)
    counted = [published_clips_macs(config, blocks, norms=norms) / 1e9 for norms in (False, True)]
    assert tuple(round(count, 2) for count in counted) == figures


def test_published_cost_of_other_frame_counts() -> None:
    def cost(size: str, plan: ClipPlan) -> float:
        config = clip_vit(size)
        return round(published_clips_macs(config, plan.blocks(layers=12, patches=config.patches)) / 1e9, 1)

    short = PRESETS["b32-12f"]
    assert cost("B/32", replace(short, frames=18, joins=((8, 2), (9, 3), (10, 3)))) == 52.1
    assert cost("B/32", replace(short, frames=8, joins=((8, 2), (9, 2), (10, 2)))) == 23.1
    assert cost("B/32", PRESETS["b32-64f"]) == 185.9
    assert cost("B/16", PRESETS["b16-64f"]) == 650.1


def test_joined_clips_as_they_run() -> None:
    """Of the last block only the class tokens are computed, and the matching is counted."""
    config = clip_vit("B/32")
    blocks = PRESETS["b32-12f"].blocks(layers=12, patches=49)
    d, skipped = 768, 107 - 12
    last = skipped * (2 * d * d + 2 * 107 * d) + (97 - 12) * 8 * d * d
    # even and odd places behind the class tokens: 24 and 25 in block 0, one less of each in every block
    within = 12 * sum((24 - n) * (25 - n) for n in range(8)) + 6 * 23 * 23 + 3 * 29 * 29 + 53 * 53
    across = 33 * 33 * 6 + 42 * 42 * 3 + 78 * 78
    run = clips_macs(config, blocks, by_clip=False)
    assert run == published_clips_macs(config, blocks) - last + within * 64 + across * d
    fewer = 33 * 33 * 6 + 42 * 42 * 3 + 104 * 52  # of three clips, the outer ones look at the middle one
    assert run - clips_macs(config, blocks, by_clip=True) == (across - fewer) * d
