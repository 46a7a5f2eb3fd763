"""Translation in small: names, shapes, and the way back."""

import dataclasses

import pytest
import torch

from vidskim.models.checkpoint import LAYOUTS
from vidskim.models.layouts.clip import HF_CLIP, OPENAI
from vidskim.models.layouts.layout import (
    Problems,
    find_unexpected,
    is_finite,
    restore,
    stored_names,
    translate,
)
from vidskim.models.layouts.vit import TIMM_DINOV2
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer

CONFIG = VitConfig(
    width=12,
    layers=11,
    heads=3,
    patch=4,
    image=8,
    hidden=20,
    activation="gelu",
    eps=1e-5,
    embed=6,
    norm_pre=True,
    patch_bias=False,
)


@pytest.mark.parametrize(
    ("names", "target", "stored"),
    [
        (OPENAI.vision, "blocks.10.norm1.bias", ("visual.transformer.resblocks.10.ln_1.bias",)),
        (
            OPENAI.vision,
            "blocks.0.attention.qkv.weight",
            ("visual.transformer.resblocks.0.attn.in_proj_weight",),
        ),
        (OPENAI.text, "positions", ("positional_embedding",)),
        (OPENAI.vision, "registers", ()),
        (TIMM_DINOV2.vision, "blocks.3.scale2", ("blocks.3.ls2.gamma",)),
        (
            HF_CLIP.text,
            "blocks.1.attention.qkv.bias",
            tuple(f"text_model.encoder.layers.1.self_attn.{part}_proj.bias" for part in "qkv"),
        ),
    ],
)
def test_stored_names(names: dict[str, str], target: str, stored: tuple[str, ...]) -> None:
    assert stored_names(names, target) == stored


def test_every_trunk_tensor_has_its_name_in_every_layout() -> None:
    assert len(LAYOUTS) == 6
    for layout in LAYOUTS:
        clip = layout.family == "clip"
        config = dataclasses.replace(
            CONFIG,
            embed=6 if clip else None,
            norm_pre=clip,
            patch_bias=not clip,
            layer_scale=layout.family == "dinov2",
            registers=2 if layout.family == "dinov2" else 0,
        )
        with torch.device("meta"):
            state = VisionTransformer(config).state_dict()
        stored = [
            name
            for target, value in state.items()
            if value.numel()
            for name in stored_names(layout.vision, target)
        ]
        assert len(stored) == len(set(stored))
        nameless = [
            name for name, value in state.items() if value.numel() and not stored_names(layout.vision, name)
        ]
        assert nameless == []
        assert layout.signature in stored


def test_restore_and_translate_are_inverse(generator: torch.Generator) -> None:
    model = VisionTransformer(CONFIG)
    state = {
        name: torch.randn(value.shape, generator=generator) for name, value in model.state_dict().items()
    }
    stored = restore(state, HF_CLIP.vision, patch=(4, 4))
    assert stored["vision_model.embeddings.patch_embedding.weight"].shape == (12, 3, 4, 4)
    problems = Problems()
    shapes = {name: value.shape for name, value in state.items()}
    back, used = translate(stored, shapes, layout=HF_CLIP, names=HF_CLIP.vision, problems=problems)
    assert str(problems) == ""
    assert used == set(stored)
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_projection_the_wrong_way_round_is_seen() -> None:
    problems = Problems()
    shapes = {"projection.weight": torch.Size([6, 12])}
    state = {"visual.proj": torch.zeros(6, 12)}
    translate(state, shapes, layout=OPENAI, names=OPENAI.vision, problems=problems)
    assert str(problems) == "1 of another shape: visual.proj (expected [12, 6], received [6, 12])"


def test_known_and_unknown_leftovers() -> None:
    state = dict.fromkeys(("logit_scale", "visual.proj_head.0.bias", "visual.lora_a", "read"), torch.ones(1))
    assert find_unexpected(state, {"read"}, OPENAI.ignored) == ["visual.lora_a"]


@pytest.mark.parametrize(
    ("values", "finite"),
    [
        ([1.0, -2.0], True),
        ([3e38, 3e38, 1.0], True),  # their sum is not
        ([float("inf"), float("-inf")], False),
        ([1.0, float("nan")], False),
    ],
)
def test_finite_values(values: list[float], finite: bool) -> None:
    assert is_finite(torch.tensor(values)) is finite
    assert is_finite(torch.tensor(values).bfloat16()) is finite
