"""Laws every frame method keeps on every architecture option."""

import copy
import pickle

import numpy as np
import pytest
import torch
from tests.methods.conftest import segment

from vidskim.methods.choose import SELECTIONS
from vidskim.methods.frames import FrameMethod
from vidskim.methods.layout import Segment
from vidskim.methods.registry import METHODS, build_method
from vidskim.methods.residual import ResidualTokenizer
from vidskim.models import attention
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer

BASE = {
    "width": 32,
    "layers": 3,
    "heads": 2,
    "patch": 8,
    "image": 32,
    "hidden": 64,
    "activation": "gelu",
    "eps": 1e-6,
}
ARCHITECTURES: dict[str, dict[str, object]] = {
    "vit": {},
    "clip": {"embed": 16, "norm_pre": True, "patch_bias": False, "activation": "quick_gelu"},
    "dinov2": {"layer_scale": True},
    "registers": {"layer_scale": True, "registers": 3},
    "no qkv bias": {"qkv_bias": False},
}
SETTINGS: list[tuple[str, dict[str, object]]] = [
    ("full", {}),
    ("copy", {}),
    ("interpolate", {}),
    *(("residual", {"select": select}) for select in SELECTIONS),
    *(("reuse", {"select": select}) for select in SELECTIONS),
    ("merge", {"r": 3}),
    ("merge", {"r": 0}),
    ("residual", {"r": 3}),
    ("residual", {"r": 2, "token": False}),
    ("residual", {"token": False}),
    ("residual", {"resolution": 16}),
    ("residual", {"resolution": 24, "r": 2}),
    ("residual", {"resolution": 24, "keep": 0.5, "select": "center"}),
    ("reuse", {"anchors": "previous", "keep": 0.3}),
    ("reuse", {"interleave": 2, "keep": 0.15}),
    ("reuse", {"budget": 0.7}),
    ("reuse", {"threshold": 0.2}),
    ("reuse", {"threshold": 0.2, "anchors": "previous", "interleave": 4}),
]


@pytest.fixture(params=ARCHITECTURES)
def trunk(request: pytest.FixtureRequest) -> VisionTransformer:
    """Random weights, none at its initial value."""
    model = VisionTransformer(VitConfig(**(BASE | ARCHITECTURES[request.param]))).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def build(trunk: VisionTransformer, name: str, settings: dict[str, object]) -> FrameMethod:
    torch.manual_seed(0)
    tokenizer = ResidualTokenizer(dim=trunk.config.dim, width=trunk.config.width).requires_grad_(False)
    return build_method(name, settings, {"std": torch.full((3,), 0.5), "tokenizer": tokenizer})


def test_every_method_is_here() -> None:
    assert {name for name, _ in SETTINGS} == set(METHODS)


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
class TestLaws:
    def test_a_batch_gives_the_same_rows_as_one_video_at_a_time(
        self, trunk: VisionTransformer, name: str, settings: dict[str, object]
    ) -> None:
        method = build(trunk, name, settings)
        segments = [
            segment(7, seed=1, motion=True),
            segment(1, seed=2),
            segment(5, seed=3),
            segment(8, seed=4),
        ]
        together = method.encode(trunk, segments)
        for one, encoded in zip(segments, together, strict=True):
            (alone,) = method.encode(trunk, [one])
            torch.testing.assert_close(encoded.vectors, alone.vectors, atol=2e-6, rtol=0)
            assert encoded.macs == alone.macs

    def test_two_calls_copies_and_pickles_give_the_same(
        self, trunk: VisionTransformer, name: str, settings: dict[str, object]
    ) -> None:
        method = build(trunk, name, settings)
        first = method.encode(trunk, [segment(7)])[0].vectors
        assert torch.equal(first, method.encode(trunk, [segment(7)])[0].vectors)
        pickled_trunk, pickled = pickle.loads(pickle.dumps((trunk, method)))
        assert torch.equal(first, pickled.encode(pickled_trunk, [segment(7)])[0].vectors)
        assert torch.equal(first, copy.deepcopy(method).encode(copy.deepcopy(trunk), [segment(7)])[0].vectors)

    def test_vectors_are_normalised_and_anchors_are_the_full_encoders(
        self, trunk: VisionTransformer, name: str, settings: dict[str, object]
    ) -> None:
        method = build(trunk, name, settings)
        (encoded,) = method.encode(trunk, [segment(8)])
        (full,) = build(trunk, "full", {}).encode(trunk, [segment(8)])
        torch.testing.assert_close(encoded.vectors.norm(dim=1), torch.ones(8))
        rows = encoded.anchor_frames
        if getattr(method, "budget", None) is None:  # a budget merges the tokens of I-frames too
            torch.testing.assert_close(encoded.vectors[rows], full.vectors[rows], atol=2e-6, rtol=0)
        assert rows[0] or name == "merge"  # which encodes no frame in full
        assert encoded.macs <= full.macs


@pytest.mark.parametrize(
    ("name", "settings"),
    [("interpolate", {}), ("reuse", {"interleave": 2}), ("reuse", {"threshold": 0.2, "interleave": 4})],
)
def test_a_carried_frame_is_not_encoded_again(
    trunk: VisionTransformer, name: str, settings: dict[str, object]
) -> None:
    method = build(trunk, name, settings)
    step = 2 * method.step
    whole = segment(2 * step + 1)
    (once,) = method.encode(trunk, [whole])
    first = Segment(whole.pixels[: step + 1], whole.times_s[: step + 1], None, 0, continues=True)
    (head,) = method.encode(trunk, [first])
    rest = Segment(whole.pixels[step:], whole.times_s[step:], None, step, carried=head.closing)
    (tail,) = method.encode(trunk, [rest])
    joined = torch.cat([head.vectors, tail.vectors[1:]])
    torch.testing.assert_close(joined, once.vectors, atol=2e-6, rtol=0)
    assert head.macs + tail.macs == once.macs


def test_fused_and_plain_attention_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(5, 2, n, 16, generator=generator) for n in (7, 9, 9))
    plain, _ = attention.attend_in_products(q, k, v)
    torch.testing.assert_close(plain, attention.attend(q, k, v), atol=1e-6, rtol=0)
    sizes = torch.rand(5, 1, 1, 9, generator=generator)
    logits = q @ k.transpose(2, 3) / 4 + sizes.log()
    shares = logits.softmax(dim=-1)
    torch.testing.assert_close(attention.attend(q, k, v, bias=sizes.log()), shares @ v, atol=1e-6, rtol=0)
    for show in (attention.attend_and_show, attention.attend_in_products):
        out, first = show(q, k, v, bias=sizes.log())
        torch.testing.assert_close(out, shares @ v, atol=1e-6, rtol=0)
        torch.testing.assert_close(first, shares[:, :, 0], atol=1e-6, rtol=0)


def test_bfloat16_takes_the_plain_path_and_stays_close(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(4, 2, 20, 16, generator=generator).bfloat16() for _ in range(3))
    monkeypatch.setattr(attention, "LOGITS_BYTES", 2 * 2 * 20 * 20 * 2)  # two samples a time
    with torch.inference_mode():
        plain = attention.attend(q, k, v)
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert plain.dtype == torch.bfloat16
    assert not torch.equal(plain, fused)
    assert np.abs((plain.float() - fused.float()).numpy()).max() < 0.03


@pytest.mark.parametrize(("name", "settings"), [("full", {}), ("reuse", {})])
def test_bfloat16_keeps_the_direction(
    trunk: VisionTransformer, name: str, settings: dict[str, object]
) -> None:
    method = build(trunk, name, settings)
    (exact,) = method.encode(trunk, [segment(7)])
    with torch.inference_mode():
        (rounded,) = method.encode(copy.deepcopy(trunk).bfloat16(), [segment(7)])
    assert float((exact.vectors * rounded.vectors).sum(dim=1).min()) > 0.99


@pytest.mark.parametrize(
    "settings", [{"keep": 1.0}, {"keep": 1.0, "anchors": "previous"}, {"threshold": 0.0}]
)
def test_recomputing_everything_is_the_full_encoder(
    trunk: VisionTransformer, settings: dict[str, object]
) -> None:
    (full,) = build(trunk, "full", {}).encode(trunk, [segment(8)])
    (whole,) = build(trunk, "reuse", settings).encode(trunk, [segment(8)])
    torch.testing.assert_close(whole.vectors, full.vectors, atol=1e-5, rtol=0)
    assert whole.macs == full.macs


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_still_frames_in_short_types(trunk: VisionTransformer, dtype: torch.dtype) -> None:
    short = copy.deepcopy(trunk).to(dtype)
    still = Segment(segment(1).pixels.expand(7, -1, -1, -1), np.arange(7.0), None, 0)
    with torch.inference_mode():
        (encoded,) = build(trunk, "reuse", {"threshold": 0.01}).encode(short, [still])
    assert encoded.kept is not None
    assert encoded.kept.shape[1] == 0
    torch.testing.assert_close(encoded.vectors, encoded.vectors[:1].expand(7, -1), atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("full", {}), ("merge", {"r": 3}), ("residual", {"select": "center"}), ("reuse", {})],
)
def test_a_traced_trunk_gives_the_same(name: str, settings: dict[str, object]) -> None:
    plain = VisionTransformer(VitConfig(**BASE)).eval().requires_grad_(False)
    method = build(plain, name, settings)
    traced = copy.deepcopy(plain)
    traced.compile(backend="eager")
    (expected,), (found,) = method.encode(plain, [segment(7)]), method.encode(traced, [segment(7)])
    torch.testing.assert_close(found.vectors, expected.vectors, atol=2e-6, rtol=0)
