"""Plans of joining and merging: counts as published, and plans that are none."""

from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.tokens.clip_plan import PRESETS, ClipPlan

# tokens of a clip in attention and after the block, and clips, as TempMe's authors' code has them
FRAME_B32 = [(50 - 2 * layer, 48 - 2 * layer, 12) for layer in range(8)]
FRAME_B16 = [(197 - 10 * layer, 187 - 10 * layer, 12) for layer in range(8)]
TABLE = {
    "b32-12f": (49, [*FRAME_B32, (48, 44, 6), (62, 56, 3), (118, 107, 1), (107, 97, 1)]),
    "b16-12f": (196, [*FRAME_B16, (141, 113, 6), (136, 109, 3), (197, 158, 1), (158, 127, 1)]),
    "b32-64f": (
        49,
        [(a, b, 64) for a, b, _ in FRAME_B32] + [(96, 87, 16), (244, 220, 4), (616, 555, 1), (555, 500, 1)],
    ),
    "b16-64f": (
        196,
        [(a, b, 64) for a, b, _ in FRAME_B16]
        + [(281, 225, 16), (540, 432, 4), (1037, 830, 1), (830, 664, 1)],
    ),
}


@pytest.mark.parametrize("name", PRESETS)
def test_published_tokens_of_each_block(name: str) -> None:
    patches, table = TABLE[name]
    blocks = PRESETS[name].blocks(layers=12, patches=patches)
    assert [(block.attending, block.leaving, block.clips) for block in blocks] == table
    assert all(block.clips * block.frames == PRESETS[name].frames for block in blocks)
    assert [block.joined for block in blocks] == [1] * 8 + ([4, 4, 4, 1] if "64" in name else [2, 2, 3, 1])


def test_b16_with_the_shares_of_b32_has_321_tokens() -> None:
    """What the authors' defaults give with r = 10, which is not what they published."""
    plan = ClipPlan(12, PRESETS["b16-12f"].joins, r=10, across=0.3, within=0.1)
    assert plan.blocks(layers=12, patches=196)[-1].leaving == 321


def test_at_most_half_of_the_patches_merge_at_once() -> None:
    plan = ClipPlan(4, ((1, 2), (2, 2)), r=2, across=0.9, within=0.9)
    blocks = plan.blocks(layers=4, patches=9)
    counts = [
        (block.entering, block.across, block.attending, block.within, block.leaving) for block in blocks
    ]
    assert counts == [(10, 0, 10, 2, 8), (8, 7, 9, 3, 6), (6, 4, 8, 2, 6), (6, 0, 6, 1, 5)]


def test_without_merging_nothing_is_merged() -> None:
    blocks = PRESETS["b32-12f"].without_merging().blocks(layers=12, patches=49)
    assert [block.leaving for block in blocks] == [50] * 8 + [100, 200, 600, 600]
    assert {(block.across, block.within) for block in blocks} == {(0, 0)}


def test_a_plan_is_read_from_its_name_or_fields() -> None:
    plan = ClipPlan.read({"frames": 16, "joins": {"2": 4, 3: 2}, "r": 1, "across": 0.3, "within": 0.1})
    assert plan == ClipPlan(16, ((2, 4), (3, 2)), 1, 0.3, 0.1)
    assert ClipPlan.read(plan.to_record()) == plan == ClipPlan.read(plan)
    assert ClipPlan.read("b32-12f") is PRESETS["b32-12f"]
    assert ClipPlan.read({"frames": 3, "joins": ()}).blocks(layers=2, patches=4)[-1].clips == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{'frames': 8}", "a plan in words is JSON, such as"),
        ("b32-12", "unknown plan 'b32-12'; allowed: b16-12f.*Did you mean 'b32-12f'"),
        (7, "a plan is a preset .* received 7"),
        ({"frames": 8}, "a plan needs joins"),
        ({"frames": 8, "joins": [], "ratio": 1}, "unknown field of a plan 'ratio'"),
        ({"frames": 8, "joins": 3}, "joins are pairs of block and clips"),
        ({"frames": 0, "joins": []}, "frames of a plan is a whole number of 1 or more; received 0"),
        ({"frames": 8, "joins": [], "r": -1}, "0 or more; received -1"),
        ({"frames": 8, "joins": [], "across": 1.0}, "across is the share .* received 1.0"),
        ({"frames": 8, "joins": [], "within": "10"}, "within is the share .* received '10'"),
        ({"frames": 8, "joins": [(2, 1)]}, r"2 or more; received \(2, 1\)"),
        ({"frames": 8, "joins": {"two": 2}}, r"received \('two', 2\)"),
        ({"frames": 8, "joins": [(3, 2), (3, 2)]}, "in order of their blocks, each once"),
        (
            {"frames": 12, "joins": {2: 2, 3: 4}},
            "block 3 joins 4 clips, which does not divide the 6 there are",
        ),
    ],
)
def test_what_is_no_plan_is_named(given: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ClipPlan.read(given)


def test_a_plan_must_fit_the_model() -> None:
    with pytest.raises(SettingsError, match="joins clips in block 10, and the model's blocks are 0 to 5"):
        PRESETS["b32-12f"].blocks(layers=6, patches=49)
    with pytest.raises(
        SettingsError, match=r"r=10 is too much: block 3 has 19 patches of a frame left, of which .* 9"
    ):
        PRESETS["b16-12f"].blocks(layers=12, patches=49)
