"""Counted and closed-form MACs agree."""

from dataclasses import replace

import pytest
import torch
from tests.methods.conftest import CONFIG, segment

from vidskim.evaluate.counter import count_macs
from vidskim.methods.clip_baselines import Random, Redundancy, Tome, Uniform
from vidskim.methods.clips import ClipMethod, FullClip
from vidskim.methods.frames import FrameMethod
from vidskim.methods.registry import build_method
from vidskim.methods.residual import ResidualTokenizer
from vidskim.methods.sta import Sta
from vidskim.models.linear import pack_linears
from vidskim.models.variants import videomae_vit
from vidskim.models.video_vit import VideoTransformer
from vidskim.models.vit import VisionTransformer

SETTINGS: dict[str, list[dict[str, object]]] = {
    "full": [{}],
    "copy": [{}],
    "interpolate": [{"interleave": 3}],
    "merge": [{"r": 3}, {"r": 0}],
    "residual": [
        {},
        {"keep": 0.5, "select": "center"},
        {"token": False},
        {"r": 3},
        {"r": 3, "token": False},
        {"resolution": 16},
        {"resolution": 24, "r": 2},
    ],
    "reuse": [{}, {"anchors": "previous"}, {"threshold": 0.2}],
}


def build(name: str, settings: dict[str, object]) -> FrameMethod:
    tokenizer = ResidualTokenizer(dim=16, width=32).requires_grad_(False)
    return build_method(name, settings, {"std": torch.ones(3), "tokenizer": tokenizer})


@pytest.mark.parametrize(("name", "settings"), [(name, s) for name, many in SETTINGS.items() for s in many])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_closed_formula_agrees_with_the_count(
    name: str, settings: dict[str, object], dtype: torch.dtype
) -> None:
    trunk = VisionTransformer(CONFIG).eval().requires_grad_(False).to(dtype)
    pack_linears(trunk)
    method = build(name, settings)
    results = []
    with torch.inference_mode():
        counted = count_macs(lambda: results.extend(method.encode(trunk, [segment(8)])))
    assert results[0].macs == pytest.approx(counted, rel=0.01)


@pytest.mark.parametrize(
    "method",
    [
        FullClip(),
        Sta(r=5),
        Sta(r=(6, 0, 3), anchor="kept"),
        Sta(groups="slices", r=4),
        Redundancy(r=4),
        Random(r=5),
        Uniform(r=6),
        Tome(r=5),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_closed_formula_of_a_clip_agrees_with_the_count(method: ClipMethod, dtype: torch.dtype) -> None:
    config = replace(videomae_vit("S", classes=7), width=48, heads=3, layers=4, hidden=96, image=80)
    model = VideoTransformer(config).eval().requires_grad_(False).to(dtype)
    pack_linears(model)
    with torch.inference_mode():
        counted = count_macs(lambda: method.run(model, torch.zeros(2, 3, 16, 80, 80)))
    assert 2 * method.macs(config, (16, 80, 80)) == counted


def test_fused_attention_is_counted() -> None:
    q = torch.randn(2, 3, 5, 8)
    k = torch.randn(2, 3, 7, 8)
    with torch.inference_mode():
        counted = count_macs(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, k))
    assert counted == 2 * (2 * 3 * 5 * 7 * 8)
