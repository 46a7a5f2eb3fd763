"""VideoClassifier: logits, labels, views, cost; and how a classifier is loaded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from vidskim.errors import CheckpointError, SettingsError
from vidskim.methods.clips import FullClip
from vidskim.methods.sta import Sta
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.load import load_encoder, load_model
from vidskim.video.clip import Clip, Health
from vidskim.video.prepare import prepare_frames
from vidskim.video.views import Views

FIXTURE = Path(__file__).parents[1] / "fixtures" / "sta"
OPTIONS: dict[str, Any] = {"config": {"heads": 4}, "device": "cpu", "dtype": "float32"}
NAMES = ("walks", "jumps", "sleeps", "eats")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Hugging Face VideoMAE of random weights."""
    config = transformers.VideoMAEConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=24,
        patch_size=8,
        num_frames=8,
        use_mean_pooling=True,
        id2label=dict(enumerate(NAMES)),
    )
    torch.manual_seed(0)
    model = transformers.VideoMAEForVideoClassification(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    transformers.logging.disable_progress_bar()
    model.save_pretrained(tmp_path / "videomae")
    return tmp_path / "videomae"


@pytest.fixture
def rec(folder: Path) -> VideoClassifier:
    model = load_model(folder, device="cpu", dtype="float32")
    assert isinstance(model, VideoClassifier)
    return model


def make_clip(frames: int = 60, y: int = 30, x: int = 48) -> Clip:
    pixels = np.random.default_rng(0).integers(0, 256, (frames, y, x, 3), dtype=np.uint8)
    return Clip(pixels, np.arange(frames) / 30.0, None, Health("straight"))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_sta_is_the_authors_code(dtype: str, tolerance: float) -> None:
    clip = load_file(FIXTURE / "clip.safetensors")
    rec = load_model(FIXTURE, method="sta", r=4, **{**OPTIONS, "dtype": dtype})
    logits, trail = rec.logits(clip["input"], trace=True)
    assert logits.dtype == getattr(torch, dtype)
    torch.testing.assert_close(logits.double(), clip["logits"], atol=tolerance, rtol=0)
    assert torch.equal(logits, rec.logits(clip["input"]))
    assert [torch.equal(p.kept, clip[f"layers/{i}/kept"]) for i, p in enumerate(trail)] == [True] * 3
    full = rec.with_method("full").logits(clip["input"])
    torch.testing.assert_close(full.double(), clip["logits_full"], atol=tolerance, rtol=0)


def test_sixteen_bits_keep_nearly_the_same_tokens() -> None:
    clip = load_file(FIXTURE / "clip.safetensors")
    rec = load_model(FIXTURE, method="sta", r=4, **{**OPTIONS, "dtype": "bfloat16"})
    logits, trail = rec.logits(clip["input"], trace=True)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, clip["logits"].float(), atol=0.03, rtol=0)
    kept = set(trail[0].original[0].tolist())
    assert len(kept & set(clip["layers/0/kept"][0].tolist())) >= 90  # of 96
    assert trail[0].scores[0].dtype == torch.float32


def test_labels_and_probabilities(rec: VideoClassifier, folder: Path) -> None:
    clip = make_clip()
    found = rec.classify(clip, top=3)
    pixels = prepare_frames(clip.frames[list(range(12, 44, 4))], rec.preparation).transpose(0, 1)[None]
    probabilities = dict(zip(NAMES, rec.logits(pixels).softmax(dim=1)[0].tolist(), strict=True))
    best = sorted(probabilities, key=lambda label: -probabilities[label])
    assert found.labels == tuple(best[:3])
    assert list(found) == [(label, pytest.approx(probabilities[label], abs=1e-6)) for label in best[:3]]
    assert found[0] == (found.labels[0], found.probabilities[0])
    assert sum(rec.classify(clip, top=9).probabilities) == pytest.approx(1, abs=1e-5)
    assert len(rec.classify(clip, top=9)) == 4
    assert found.macs == FullClip().macs(rec.trunk.config, (8, 24, 24))
    assert found.fingerprint == rec.fingerprint


def test_probabilities_are_a_mean_over_views(rec: VideoClassifier) -> None:
    clip, views = make_clip(), Views("segments", clips=2, crops=3)
    found = rec.classify(clip, top=4, views=views)
    parts = [
        rec.logits(prepare_frames(clip.frames[row], rec.preparation, along=along).transpose(0, 1)[None])
        for row in views.rows(60, 8)
        for along in (0.0, 0.5, 1.0)
    ]
    mean = torch.cat(parts).softmax(dim=1).mean(dim=0)
    assert dict(found) == pytest.approx(dict(zip(NAMES, mean.tolist(), strict=True)), abs=1e-6)
    assert (found.views, found.macs) == (6, 6 * FullClip().macs(rec.trunk.config, (8, 24, 24)))
    assert rec.classify(clip, views="ssv2").probabilities == found.probabilities[:5]


@pytest.mark.parametrize("at_once", [1, 4, 99])
def test_views_in_batches_are_views_alone(
    rec: VideoClassifier, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    expected = rec.classify(make_clip(), views="k400")
    monkeypatch.setattr("vidskim.pipeline.classifier.CPU_VIEWS", at_once)
    found = rec.classify(make_clip(), views="k400")
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert (found.views, found.macs) == (expected.views, expected.macs)


def test_sta_costs_less_and_says_so(rec: VideoClassifier) -> None:
    pruned = rec.with_method("sta", r=3)
    found = pruned.classify(make_clip())
    assert found.macs == Sta(r=3).macs(rec.trunk.config, (8, 24, 24)) < rec.classify(make_clip()).macs
    assert pruned.fingerprint.settings == {
        "r": 3,
        "groups": "halved",
        "direction": "alternate",
        "anchor": "all",
    }
    assert pruned.fingerprint.weights == rec.fingerprint.weights
    assert pruned.fingerprint.digest != rec.fingerprint.digest
    assert json.loads(pruned.fingerprint.to_json())["method"] == "sta"
    assert "sta(r=3" in repr(pruned)
    assert "GMAC" in repr(found)


def test_a_short_clip_repeats_its_last_frame(rec: VideoClassifier) -> None:
    assert len(rec.classify(make_clip(frames=3))) == 4


def test_classes_without_names_are_numbers() -> None:
    rec = load_model(FIXTURE, image_size=64, **OPTIONS)
    assert rec.labels == tuple(map(str, range(10)))
    assert len(rec.classify(make_clip(y=64, x=70))) == 5


def test_classes_can_be_named() -> None:
    rec = load_model(FIXTURE, image_size=64, **OPTIONS)
    named = rec.with_labels([f"class {number}" for number in range(10)])
    clip = make_clip(y=64, x=70)
    assert named.classify(clip).labels == tuple(f"class {number}" for number in rec.classify(clip).labels)
    assert named.with_method("sta", r=4).labels == named.labels
    assert rec.labels[0] == "0"
    with pytest.raises(SettingsError, match="received 2 names for the 10 classes of this model"):
        rec.with_labels(["a", "b"])


def test_what_cannot_be_classified_is_named(rec: VideoClassifier) -> None:
    with pytest.raises(SettingsError, match="classify takes a Clip, as read_video gives; received ndarray"):
        rec.classify(make_clip().frames)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="1 or more; received 0"):
        rec.classify(make_clip(), top=0)
    with pytest.raises(SettingsError, match=r"normalised floats, received torch.uint8"):
        rec.logits(torch.zeros(1, 3, 8, 24, 24, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "reuse"},
            "encodes frames, and this is a video classifier; its methods: full, sta, saliency",
        ),
        ({"method": "sta", "keep": 0.5}, "unknown setting of method='sta', 'keep'"),
        ({"student": "x", "tokenizer": "y"}, "tokenizer, student is for frame models"),
        ({"image_size": 48}, "fine-tuned on images of 24 pixels"),
    ],
)
def test_options_of_frame_models_are_refused(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_model(folder, device="cpu", **options)


def test_a_frame_model_is_not_a_classifier(clip_folder: Path, folder: Path) -> None:
    assert isinstance(load_model(clip_folder, device="cpu"), VideoEncoder)
    with pytest.raises(
        SettingsError, match="method='sta' is for video classifiers, and this is a frame model"
    ):
        load_model(clip_folder, device="cpu", method="sta", r=3)
    with pytest.raises(CheckpointError, match="is a video classifier, which has no frame features"):
        load_encoder(folder, device="cpu")
