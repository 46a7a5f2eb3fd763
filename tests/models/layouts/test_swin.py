"""Names of Video Swin, and windows told by the size of a table."""

import pytest
import torch

from vidskim.models.layouts.layout import Layout, stored_names
from vidskim.models.layouts.swin import MMACTION_SWIN, TORCHVISION_SWIN, measure_swin, windows_of
from vidskim.models.swin import VideoSwin
from vidskim.models.swin_variants import video_swin

# as torchvision 0.20 and mmaction2 1.2 write them
SAMPLES = {
    "patch.weight": ("patch_embed.proj.weight", "backbone.patch_embed.proj.weight"),
    "patch_norm.bias": ("patch_embed.norm.bias", "backbone.patch_embed.norm.bias"),
    "stages.2.blocks.17.attention.qkv.bias": (
        "features.4.17.attn.qkv.bias",
        "backbone.layers.2.blocks.17.attn.qkv.bias",
    ),
    "stages.0.blocks.1.attention.bias_table": (
        "features.0.1.attn.relative_position_bias_table",
        "backbone.layers.0.blocks.1.attn.relative_position_bias_table",
    ),
    "stages.3.blocks.0.attention.out.weight": (
        "features.6.0.attn.proj.weight",
        "backbone.layers.3.blocks.0.attn.proj.weight",
    ),
    "stages.1.blocks.0.mlp.fc1.weight": (
        "features.2.0.mlp.0.weight",
        "backbone.layers.1.blocks.0.mlp.fc1.weight",
    ),
    "stages.1.blocks.0.mlp.fc2.bias": ("features.2.0.mlp.3.bias", "backbone.layers.1.blocks.0.mlp.fc2.bias"),
    "stages.0.blocks.0.norm2.weight": (
        "features.0.0.norm2.weight",
        "backbone.layers.0.blocks.0.norm2.weight",
    ),
    "stages.1.merge.norm.weight": ("features.3.norm.weight", "backbone.layers.1.downsample.norm.weight"),
    "stages.2.merge.reduction.weight": (
        "features.5.reduction.weight",
        "backbone.layers.2.downsample.reduction.weight",
    ),
    "norm.weight": ("norm.weight", "backbone.norm.weight"),
    "head.bias": ("head.bias", "cls_head.fc_cls.bias"),
}


@pytest.mark.parametrize("target", SAMPLES)
def test_names(target: str) -> None:
    found = [stored_names(layout.vision, target) for layout in (TORCHVISION_SWIN, MMACTION_SWIN)]
    assert found == [(name,) for name in SAMPLES[target]]


@pytest.mark.parametrize("layout", [TORCHVISION_SWIN, MMACTION_SWIN])
def test_every_tensor_has_one_name_and_the_shapes_tell_the_numbers(layout: Layout) -> None:
    for size in "TB":
        config = video_swin(size, classes=174, window=(16, 7, 7))
        with torch.device("meta"):
            state = VideoSwin(config).state_dict()
        stored = {name: stored_names(layout.vision, name) for name in state}
        assert all(len(names) == 1 for names in stored.values())
        assert len({names[0] for names in stored.values()}) == len(state)
        found = measure_swin({names[0]: state[name] for name, names in stored.items()}, layout)
        for name in ("width", "depths", "heads", "patch", "expansion", "classes"):
            assert found[name] == getattr(config, name)


def test_windows_of_a_table() -> None:
    assert windows_of(15 * 13 * 13, None)[0] == (8, 7, 7)
    assert windows_of(31 * 13 * 13, None)[0] == (16, 7, 7)
    assert windows_of(25 * 13 * 13, None)[0] == (13, 7, 7)
    assert windows_of(7 * 5 * 5, None) == [(4, 3, 3), (88, 1, 1)]
    assert windows_of(25 * 13 * 13, 33 * 33) == [(1, 33, 33)]
    assert windows_of(2 * 13 * 13, None) == []
