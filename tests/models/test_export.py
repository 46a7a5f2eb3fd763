"""Saved folders load here and in transformers."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from vidskim.errors import CheckpointError
from vidskim.models.checkpoint import build_text, build_vision, read_checkpoint
from vidskim.models.export import save_checkpoint, save_video_checkpoint
from vidskim.models.recognition import build_video, read_video_checkpoint
from vidskim.models.text import TextTransformer
from vidskim.models.variants import TextConfig, VideoVitConfig, VitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.models.vit import VisionTransformer
from vidskim.video.prepare import Preparation
from vidskim.video.views import Views

VISION = VitConfig(
    width=48,
    layers=2,
    heads=4,
    patch=8,
    image=32,
    hidden=80,
    activation="quick_gelu",
    eps=1e-4,
    embed=24,
    norm_pre=True,
    patch_bias=False,
)
TEXT = TextConfig(
    width=40,
    layers=2,
    heads=5,
    hidden=72,
    context=12,
    vocabulary=50,
    embed=24,
    activation="gelu",
    eps=1e-5,
    end_id=49,
)


def randomised(model: nn.Module, generator: torch.Generator) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("end_id", [49, None])
def test_there_and_back(tmp_path: Path, ids: Tensor, generator: torch.Generator, end_id: int | None) -> None:
    vision = randomised(VisionTransformer(VISION), generator)
    text_config = dataclasses.replace(TEXT, end_id=end_id)
    text = randomised(TextTransformer(text_config), generator)
    preparation = Preparation(
        size=32, resize=40, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), interpolation="bilinear"
    )
    save_checkpoint(tmp_path / "saved", vision, text, preparation=preparation, logit_scale=2.5)

    checkpoint = read_checkpoint(tmp_path / "saved")
    assert (checkpoint.vision, checkpoint.text) == (VISION, text_config)
    assert checkpoint.preparation == preparation
    assert checkpoint.logit_scale == 2.5
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    ours, texts = vision(vision.embed(pixels)), text(ids)
    again = build_vision(checkpoint)
    assert torch.equal(again(again.embed(pixels)), ours)
    assert torch.equal(build_text(checkpoint)(ids), texts)

    model, report = transformers.CLIPModel.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.inference_mode():
        theirs = model.get_image_features(pixel_values=pixels).pooler_output
        their_texts = model.get_text_features(input_ids=ids).pooler_output
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(their_texts, texts, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("vision", "text", "words"),
    [
        ({"patch_bias": True}, {}, "only CLIP towers"),
        ({"registers": 2}, {}, "only CLIP towers"),
        ({"embed": 32}, {}, "received 32 (vision) and 24 (text)"),
        ({"activation": "silu"}, {}, "a folded tower"),
    ],
)
def test_what_has_no_place_there(
    tmp_path: Path, vision: dict[str, object], text: dict[str, object], words: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(
            tmp_path / "saved",
            VisionTransformer(dataclasses.replace(VISION, **vision)),
            TextTransformer(dataclasses.replace(TEXT, **text)),
        )
    assert words in str(caught.value)
    assert not (tmp_path / "saved").exists()


def test_a_disk_that_fails_leaves_the_files_before(
    tmp_path: Path, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    towers = VisionTransformer(VISION), TextTransformer(TEXT)
    save_checkpoint(tmp_path, *(randomised(tower, generator) for tower in towers))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(tmp_path, *(randomised(tower, generator) for tower in towers))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_interpolation_without_a_code(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="interpolation must be bilinear or bicubic to be saved"):
        save_checkpoint(
            tmp_path / "saved",
            VisionTransformer(VISION),
            TextTransformer(TEXT),
            preparation=Preparation(size=32, resize=32, interpolation="lanczos"),
        )
    assert not (tmp_path / "saved").exists()


VIDEO = VideoVitConfig(
    width=48,
    layers=2,
    heads=4,
    patch=8,
    tubelet=2,
    frames=8,
    image=24,
    hidden=80,
    classes=3,
    activation="gelu",
    eps=1e-6,
    head_eps=1e-5,
)
FRAMES = Preparation(size=24, resize=32, mean=(0.5,) * 3, std=(0.25,) * 3, interpolation="bilinear")


def test_a_video_classifier_there_and_back(tmp_path: Path, generator: torch.Generator) -> None:
    trunk = randomised(VideoTransformer(VIDEO), generator)  # biases of keys too: they change nothing
    save_video_checkpoint(tmp_path, trunk, labels=("walks", "jumps", "sleeps"), preparation=FRAMES)
    assert read_video_checkpoint(tmp_path).views is None
    views = Views("segments", stride=2)
    save_video_checkpoint(
        tmp_path, trunk, labels=("walks", "jumps", "sleeps"), preparation=FRAMES, views=views
    )
    checkpoint = read_video_checkpoint(tmp_path)
    assert checkpoint.views == views
    assert checkpoint.config == VIDEO
    assert checkpoint.labels == ("walks", "jumps", "sleeps")
    assert checkpoint.preparation == FRAMES
    pixels = torch.randn(2, 3, 8, 24, 24, generator=generator)
    expected = trunk(trunk.embed(pixels))
    again = build_video(checkpoint)
    assert torch.allclose(again(again.embed(pixels)), expected, atol=1e-5)
    theirs, told = transformers.VideoMAEForVideoClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    with torch.no_grad():
        assert torch.allclose(theirs.eval()(pixels.transpose(1, 2)).logits, expected, atol=1e-5)
    assert theirs.config.id2label == {0: "walks", 1: "jumps", 2: "sleeps"}


@pytest.mark.parametrize("stated", [{"sampling": "anywhere"}, {"frames": 3}, "segments"])
def test_views_that_are_none_are_refused(tmp_path: Path, generator: torch.Generator, stated: object) -> None:
    trunk = randomised(VideoTransformer(VIDEO), generator)
    save_video_checkpoint(tmp_path, trunk, labels=("a", "b", "c"), preparation=FRAMES)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "vidskim_views": stated}))
    with pytest.raises(CheckpointError, match=r"vidskim_views must be fields of Views, received"):
        read_video_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("changes", "labels", "message"),
    [
        ({}, ("walks",), "expected 3 labels, one a class, received 1"),
        (
            {"head_eps": 1e-6},
            ("a", "b", "c"),
            "has head_eps=1e-05 and biases of queries and values; received",
        ),
        ({"pool": "first"}, ("a", "b", "c"), "pools by the mean"),
    ],
)
def test_a_video_classifier_without_a_place_is_refused(
    tmp_path: Path, changes: dict[str, Any], labels: tuple[str, ...], message: str
) -> None:
    trunk = VideoTransformer(dataclasses.replace(VIDEO, **changes))
    with pytest.raises(CheckpointError, match=message):
        save_video_checkpoint(tmp_path, trunk, labels=labels, preparation=FRAMES)
