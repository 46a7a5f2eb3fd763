"""STA against numbers computed with its authors' code (they are in tests/fixtures), and the laws of a clip method."""

import copy
import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.methods.clips import FullClip
from vidskim.methods.sta import Sta
from vidskim.models.attention import attend_in_products
from vidskim.models.cost import published_video_macs
from vidskim.models.recognition import build_video, read_video_checkpoint
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VideoVitConfig, videomae_vit
from vidskim.models.video_vit import VideoTransformer

FIXTURE = Path(__file__).parents[1] / "fixtures" / "sta"
SIZE = (16, 224, 224)
CONFIG = VideoVitConfig(
    width=24,
    layers=5,
    heads=3,
    patch=4,
    tubelet=2,
    frames=8,
    image=12,
    hidden=40,
    classes=5,
    activation="gelu",
    eps=1e-6,
    head_eps=1e-6,
)


@pytest.fixture
def model(generator: torch.Generator) -> VideoTransformer:
    model = VideoTransformer(CONFIG).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture
def pixels(generator: torch.Generator) -> Tensor:
    return torch.randn(3, 3, 8, 12, 12, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_authors_code(dtype: torch.dtype) -> None:
    clip = load_file(FIXTURE / "clip.safetensors")
    model = build_video(read_video_checkpoint(FIXTURE, config={"heads": 4}), dtype=dtype)
    logits, trail = Sta(r=4).run(model, clip["input"])
    torch.testing.assert_close(logits.double(), clip["logits"], atol=1e-5, rtol=0)
    assert [(place.layer, place.groups) for place in trail] == [(0, 8), (2, 4), (4, 2)]
    for number, place in enumerate(trail):
        assert torch.equal(place.kept, clip[f"layers/{number}/kept"])
        assert torch.equal(place.original, clip[f"layers/{number}/kept_orig"])
        for group, scores in enumerate(place.scores):
            wanted = clip[f"layers/{number}/scores/{group}"]
            torch.testing.assert_close(scores.double(), wanted, atol=1e-5, rtol=0)


# multiply-adds in G at r = 0, 32, 48, 64: the paper's table 2
PUBLISHED = {
    "S": (57, 42, 35, 29),
    "B": (180, 136, 116, 96),
    "L": (597, 446, 376, 308),
    "H": (1192, 890, 748, 611),
}


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_cost(size: str) -> None:
    config = videomae_vit(size)
    for r, wanted in zip((0, 32, 48, 64), PUBLISHED[size], strict=True):
        method = Sta(r=r)
        counted = published_video_macs(config, patches=1568, tokens=method.tokens(config, SIZE))
        assert counted / 1e9 == pytest.approx(wanted, abs=0.8)
        assert method.macs(config, SIZE) == pytest.approx(counted, rel=0.002)  # norms out, the choosing in


def test_tokens_of_each_block() -> None:
    config = videomae_vit("B")
    assert Sta(r=48).tokens(config, SIZE) == [1568] + [1184] * 4 + [992] * 4 + [896] * 3
    assert [stage.layer for stage in Sta(r=1).stages(videomae_vit("L"), SIZE)] == [0, 8, 16]
    assert [stage.layer for stage in Sta(r=1).stages(videomae_vit("H"), SIZE)] == [0, 10, 21]
    assert Sta(r=111).tokens(config, SIZE)[-1] == 2 * 7 * (4 * 196 - 7 * 111) / 7
    by_slice = Sta(r=(10, 20, 30), groups="slices")
    assert by_slice.tokens(config, SIZE)[::4] == [1568, 1568 - 80, 1568 - 240]


def test_nothing_dropped_is_the_full_classifier(model: VideoTransformer, pixels: Tensor) -> None:
    full, nothing = FullClip().run(model, pixels)
    pruned, trail = Sta(r=0).run(model, pixels)
    assert torch.equal(pruned, full)
    assert trail == nothing == ()
    assert Sta(r=0).macs(CONFIG, (8, 12, 12)) == FullClip().macs(CONFIG, (8, 12, 12))
    odd = pixels[:, :, :6]  # three slices; only pruning asks for a multiple of four
    assert torch.equal(Sta(r=0).run(model, odd)[0], FullClip().run(model, odd)[0])


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 3},
        {"r": 5},
        {"r": (8, 0, 1)},
        {"r": 2, "groups": "slices"},
        {"r": 2, "direction": "forward"},
        {"r": 2, "anchor": "kept"},
    ],
)
def test_a_batch_is_its_clips_and_calls_repeat(
    model: VideoTransformer, pixels: Tensor, settings: dict[str, Any]
) -> None:
    method = Sta(**settings)
    logits, trail = method.run(model, pixels)
    rows = [method.run(model, clip[None]) for clip in pixels]
    torch.testing.assert_close(logits, torch.cat([row for row, _ in rows]), atol=1e-5, rtol=1e-5)
    for number, place in enumerate(trail):
        assert torch.equal(place.kept, torch.cat([alone[number].kept for _, alone in rows]))
    for other in (model, copy.deepcopy(model)):
        assert torch.equal(method.run(other, pixels)[0], logits)


def test_each_choice_makes_a_difference(model: VideoTransformer, pixels: Tensor) -> None:
    options: list[dict[str, Any]] = [{}, {"groups": "slices"}, {"direction": "forward"}, {"anchor": "kept"}]
    trails = [Sta(r=2, **settings).run(model, pixels)[1] for settings in options]
    scores = [torch.cat([part.flatten() for place in trail for part in place.scores]) for trail in trails]
    for number, result in enumerate(scores):
        assert not any(torch.equal(result, other) for other in scores[:number])


def test_originals_are_followed_through_the_stages(model: VideoTransformer, pixels: Tensor) -> None:
    _, trail = Sta(r=2).run(model, pixels)
    assert [place.kept.shape[1] for place in trail] == [28, 24, 22]
    assert torch.equal(trail[0].original, trail[0].kept)
    for before, after in pairwise(trail):
        assert torch.equal(after.original, before.original.gather(1, after.kept))
        for row in range(3):
            assert set(after.original[row].tolist()) < set(before.original[row].tolist())


class Plain(Reduction):
    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend_in_products(q, k, v)[0]


def test_fused_and_plain_attention_agree(model: VideoTransformer, pixels: Tensor, monkeypatch: Any) -> None:
    fused, _ = Sta(r=3).run(model, pixels)
    monkeypatch.setattr(Reduction, "attend", Plain.attend)
    plain, _ = Sta(r=3).run(model, pixels)
    torch.testing.assert_close(fused, plain, atol=1e-5, rtol=1e-5)


def test_any_length_of_whole_groups(model: VideoTransformer, generator: torch.Generator) -> None:
    clip = torch.randn(1, 3, 16, 12, 12, generator=generator)
    _, trail = Sta(r=2).run(model, clip)
    assert [place.groups for place in trail] == [8, 4, 2]
    with pytest.raises(SettingsError, match=r"a clip needs a multiple of 8 frames; received 12"):
        Sta(r=2).run(model, clip[:, :, :12])
    assert len(Sta(r=2, groups="slices").run(model, clip[:, :, :12])[1]) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"r": -1}, "r is the number of tokens dropped in each group.*received -1"),
        ({"r": True}, "received True"),
        ({"r": 0.5}, "received 0.5"),
        ({"r": (1, 2)}, r"or 3 such numbers, one a stage; received \(1, 2\)"),
        ({"groups": "frames"}, "unknown groups of method='sta', 'frames'; allowed: halved, slices"),
        ({"direction": "backward"}, "allowed: alternate, forward"),
        ({"anchor": "none"}, "allowed: all, kept"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Sta(**settings)


def test_too_much_is_named() -> None:
    config = videomae_vit("B")
    with pytest.raises(SettingsError, match=r"r=112 drops too much: after block 9 a group has 112 tokens"):
        Sta(r=112).stages(config, SIZE)
    with pytest.raises(SettingsError, match=r"after block 1 a group has 9 tokens.*received 9"):
        Sta(r=(9, 0, 0)).stages(CONFIG, (8, 12, 12))


def test_models_that_cannot_be_pruned_are_refused() -> None:
    with pytest.raises(SettingsError, match="reads its first token"):
        Sta(r=1).stages(dataclasses.replace(CONFIG, pool="first"), (8, 12, 12))
    with pytest.raises(SettingsError, match="this model has 2 blocks"):
        Sta(r=1).stages(dataclasses.replace(CONFIG, layers=2), (8, 12, 12))
