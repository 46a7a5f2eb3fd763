"""Baselines of STA: the same counts at the same places, and what each of them does."""

import copy
from typing import Any

import pytest
import torch
from tests.models.swin_oracle import random_swin
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.methods.clip_baselines import Random, Redundancy, Saliency, StagedMerging, Tome, Uniform
from vidskim.methods.clip_registry import CLIP_METHODS, make_clip_method
from vidskim.methods.clips import FullClip, MergedTokens
from vidskim.methods.sta import Sta
from vidskim.methods.staged import Stage
from vidskim.models.cost import matching_macs, video_macs
from vidskim.models.swin_variants import SwinConfig
from vidskim.models.variants import VideoVitConfig, videomae_vit
from vidskim.models.video_vit import VideoTransformer

CONFIG = VideoVitConfig(
    width=24,
    layers=5,
    heads=3,
    patch=4,
    tubelet=2,
    frames=8,
    image=16,
    hidden=40,
    classes=5,
    activation="gelu",
    eps=1e-6,
    head_eps=1e-6,
)
SIZE = (8, 16, 16)
SWIN = SwinConfig(width=8, depths=(2, 2, 3, 2), heads=(1, 2, 2, 4), window=(2, 3, 3), classes=5)
VIDEOMAE_NAMES = [name for name in CLIP_METHODS["videomae"] if name != "full"]
SWIN_NAMES = [name for name in CLIP_METHODS["swin"] if name != "full"]


@pytest.fixture
def model(generator: torch.Generator) -> VideoTransformer:
    model = VideoTransformer(CONFIG).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture
def pixels(generator: torch.Generator) -> Tensor:
    return torch.randn(3, 3, *SIZE, generator=generator)


def test_the_baselines_are_there() -> None:
    assert VIDEOMAE_NAMES == ["sta", "saliency", "redundancy", "random", "uniform", "tome"]
    assert SWIN_NAMES == ["sta", "saliency", "redundancy", "random", "uniform"]


@pytest.mark.parametrize("settings", [{"r": 3}, {"r": [8, 0, 5]}, {"r": 2, "groups": "slices"}])
@pytest.mark.parametrize("name", VIDEOMAE_NAMES)
def test_as_many_tokens_as_sta_enter_each_block(
    name: str, settings: dict[str, Any], model: VideoTransformer, pixels: Tensor, monkeypatch: Any
) -> None:
    method = make_clip_method(name, settings, family="videomae")
    sta = make_clip_method("sta", settings, family="videomae")
    assert isinstance(sta, Sta)
    seen: list[int] = []
    inside = type(model.blocks[0]).forward

    def watched(block: Any, x: Tensor, **rest: Any) -> Tensor:
        seen.append(x.shape[1])
        out: Tensor = inside(block, x, **rest)
        return out

    monkeypatch.setattr(type(model.blocks[0]), "forward", watched)
    method.run(model, pixels)
    assert seen == sta.tokens(CONFIG, SIZE)
    blocks = video_macs(CONFIG, patches=seen[0], tokens=seen)
    assert 0 <= method.macs(CONFIG, SIZE) - blocks < 0.05 * blocks  # the choosing
    if name in ("saliency", "random", "uniform"):
        assert method.macs(CONFIG, SIZE) == blocks
    if name == "redundancy":
        assert method.macs(CONFIG, SIZE) == sta.macs(CONFIG, SIZE)


@pytest.mark.parametrize("name", VIDEOMAE_NAMES)
def test_laws(name: str, model: VideoTransformer, pixels: Tensor) -> None:
    method = make_clip_method(name, {"r": 3}, family="videomae")
    logits, trail = method.run(model, pixels)
    assert [place.layer for place in trail] == [0, 1, 3]
    torch.testing.assert_close(
        logits, torch.cat([method.run(model, clip[None])[0] for clip in pixels]), atol=1e-5, rtol=1e-5
    )
    assert torch.equal(method.run(copy.deepcopy(model), pixels)[0], logits)
    assert (logits - FullClip().run(model, pixels)[0]).abs().max() > 1e-3
    none = make_clip_method(name, {"r": 0}, family="videomae")
    assert torch.equal(none.run(model, pixels)[0], FullClip().run(model, pixels)[0])
    assert none.macs(CONFIG, SIZE) == FullClip().macs(CONFIG, SIZE)


def test_rules_differ(model: VideoTransformer, pixels: Tensor) -> None:
    kept = {
        name: make_clip_method(name, {"r": 5}, family="videomae").run(model, pixels)[1][0].original
        for name in VIDEOMAE_NAMES
        if name != "tome"
    }
    sets = [[set(row.tolist()) for row in places] for places in kept.values()]
    for number, own in enumerate(sets):
        assert not any(own == other for other in sets[:number])


@pytest.mark.parametrize("name", SWIN_NAMES)
def test_as_many_cells_as_sta_are_left_in_each_stage(name: str, generator: torch.Generator) -> None:
    model = random_swin(SWIN, generator)
    pixels = torch.randn(2, 3, 16, 96, 96, generator=generator)
    method = make_clip_method(name, {"r1": 48}, family="swin")
    logits, trail = method.run(model, pixels)
    assert [dropped.kept.shape[1] for dropped in trail] == [8 * 6, 4 * 9, 2 * 15]
    alone, _ = method.run(model, pixels[1:])
    torch.testing.assert_close(alone[0], logits[1], atol=1e-5, rtol=1e-5)
    filled = make_clip_method(name, {"r1": 48, "windows": "filled"}, family="swin")
    torch.testing.assert_close(filled.run(model, pixels)[0], logits, atol=1e-5, rtol=1e-5)
    sta = make_clip_method("sta", {"r1": 48}, family="swin")
    choosing = sta.macs(SWIN, (16, 96, 96)) - method.macs(SWIN, (16, 96, 96))
    assert (choosing == 0) == (name in ("sta", "redundancy"))
    assert 0 <= choosing < 0.01 * sta.macs(SWIN, (16, 96, 96))


def test_merging_equal_tokens_loses_nothing(model: VideoTransformer, monkeypatch: Any) -> None:
    """Sizes in attention and in the mean make up for tokens that are gone."""
    monkeypatch.setattr("vidskim.models.video_vit.sinusoids", lambda n, width: torch.zeros(n, width))
    flat = torch.ones(1, 3, *SIZE) * torch.tensor([0.3, -1.0, 0.7]).view(1, 3, 1, 1, 1)
    flat[:, :, :, :8] += torch.tensor([1.0, 0.5, -2.0]).view(1, 3, 1, 1, 1)  # two kinds of tokens
    full, _ = FullClip().run(model, flat)
    merged, trail = Tome(r=7).run(model, flat)
    torch.testing.assert_close(merged, full, atol=1e-5, rtol=1e-5)
    assert [len(place.slots.unique()) for place in trail] == [64 - 28, 36 - 14, 22 - 7]
    dropped, _ = Saliency(r=7).run(model, flat)
    assert (dropped - full).abs().max() > 1e-3


def test_the_mean_counts_every_token_of_the_clip(generator: torch.Generator) -> None:
    joining = StagedMerging([Stage(0, 0, 1, 2)], last=1)
    x = torch.randn(2, 8, 6, generator=generator)
    keys = torch.randn(2, 3, 8, 4, generator=generator)
    merged = joining.after_block(0, joining.begin(x), keys)
    assert merged.shape == (2, 6, 6)
    again = joining.after_block(1, merged, keys[:, :, :6])
    assert again.shape == x.shape
    torch.testing.assert_close(again.mean(dim=1), x.mean(dim=1))
    (place,) = joining.trail
    assert isinstance(place, MergedTokens)
    assert torch.equal(again, merged.gather(1, place.slots[..., None].expand(-1, -1, 6)))


def test_merging_compares_all_tokens_of_a_clip() -> None:
    config = videomae_vit("B")
    sta, tome = Sta(r=48), Tome(r=48)
    tokens = sta.tokens(config, (16, 224, 224))
    expected = video_macs(config, patches=1568, tokens=tokens)
    expected += sum(matching_macs(tokens[layer], protected=0, channels=64) for layer in (0, 4, 8))
    assert tome.macs(config, (16, 224, 224)) == expected


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            Tome(r=9),
            "r=9 drops too much: after block 1 a group has 16 tokens, of which at most 8 can go, received 9; this",
        ),
        (Uniform(r=16), "of which at most 15 can go, received 16"),
    ],
)
def test_too_much_is_named(method: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        method.stages(CONFIG, SIZE)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Random(seed=-1), r"seed is a whole number from 0 to \d+; received -1"),
        (lambda: Random(seed=2**60), "received 1152921504606846976"),
        (lambda: Random(seed=True), "received True"),
        (lambda: Random(r=-1), "r is the number of tokens dropped"),
        (lambda: Redundancy(anchor="none"), "unknown anchor 'none'"),  # type: ignore[arg-type]
        (lambda: Uniform(groups="all"), "unknown groups of method='uniform', 'all'"),  # type: ignore[arg-type]
    ],
)
def test_bad_settings_are_named(build: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build()


@pytest.mark.parametrize("rule", [Uniform, Tome])
@pytest.mark.parametrize("groups", ["halved", "slices"])
def test_the_largest_count_it_suggests_fits_and_one_more_does_not(rule: Any, groups: str) -> None:
    with pytest.raises(SettingsError, match=r"allow r=\d+ or less") as refused:
        rule(r=60, groups=groups).stages(CONFIG, SIZE)
    largest = int(str(refused.value).rsplit("r=", 1)[1].split()[0])
    assert len(rule(r=largest, groups=groups).stages(CONFIG, SIZE)) == 3
    with pytest.raises(SettingsError, match="drops too much"):
        rule(r=largest + 1, groups=groups).stages(CONFIG, SIZE)
