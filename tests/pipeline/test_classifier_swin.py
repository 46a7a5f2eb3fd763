"""A Video Swin as a VideoClassifier."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.models.swin_oracle import logits, mmaction_state, random_swin
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.methods.swin_sta import SwinSta
from vidskim.models.swin_cost import swin_macs
from vidskim.models.swin_variants import SwinConfig
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.pipeline.load import load_encoder, load_model
from vidskim.video.clip import Clip, Health
from vidskim.video.prepare import prepare_frames

TINY = SwinConfig(width=8, depths=(1, 2, 1, 1), heads=(1, 2, 2, 4), window=(4, 3, 3), classes=5)
SIZE = (32, 64, 64)


@pytest.fixture
def stored(generator: torch.Generator) -> dict[str, Tensor]:
    return mmaction_state(random_swin(TINY, generator))


@pytest.fixture
def file(tmp_path: Path, stored: dict[str, Tensor]) -> Path:
    torch.save({"meta": {"epoch": 1}, "state_dict": stored}, tmp_path / "swin_tiny.pth")
    return tmp_path / "swin_tiny.pth"


@pytest.fixture
def rec(file: Path) -> VideoClassifier:
    model = load_model(file, device="cpu", dtype="float32", image_size=64)
    assert isinstance(model, VideoClassifier)
    return model


@pytest.fixture
def clip() -> Clip:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 96, 3), dtype=np.uint8)
    return Clip(pixels, np.arange(90) / 30.0, None, Health("straight"))


def test_labels_of_every_second_frame(rec: VideoClassifier, clip: Clip, stored: dict[str, Tensor]) -> None:
    found = rec.classify(clip, top=5)
    frames = list(range(13, 77, 2))  # 64 in the middle of 90
    pixels = prepare_frames(clip.frames[frames], rec.preparation).transpose(0, 1)[None]
    expected = logits(pixels, stored, TINY).softmax(dim=1)[0]
    assert dict(found) == pytest.approx({str(c): p.item() for c, p in enumerate(expected)}, abs=1e-5)
    assert found.macs == swin_macs(TINY, SIZE)
    assert "swin w8 l1-2-1-1" in found.fingerprint.model


def test_sta_says_what_its_windows_cost(rec: VideoClassifier, clip: Clip) -> None:
    pruned = rec.with_method("sta", r1=16)
    found = pruned.classify(clip, views="ssv2")
    filled = rec.with_method("sta", r1=16, windows="filled").classify(clip, views="ssv2")
    assert found.probabilities == pytest.approx(filled.probabilities, abs=1e-5)
    assert found.views == 3
    assert found.macs < filled.macs == 3 * SwinSta(r1=16).macs(TINY, SIZE) < 3 * swin_macs(TINY, SIZE)
    assert pruned.fingerprint.settings == {"r1": 16, "windows": "packed", "anchor": "all"}


def test_logits_and_what_was_left(rec: VideoClassifier, generator: torch.Generator) -> None:
    pixels = torch.randn(2, 3, 16, 64, 64, generator=generator)
    out, trail = rec.with_method("sta", r1=16).logits(pixels, trace=True)
    assert out.shape == (2, 5)
    assert [dropped.stage for dropped in trail] == [1, 2, 3]


def test_what_does_not_suit_is_named(
    rec: VideoClassifier, file: Path, tmp_path: Path, stored: dict[str, Tensor]
) -> None:
    with pytest.raises(SettingsError, match=r"unknown setting of method='sta', 'r'.*Did you mean 'r1'"):
        rec.with_method("sta", r=16)
    with pytest.raises(CheckpointError, match="is a video classifier, which has no frame features"):
        load_encoder(file, device="cpu")
    bare = {name: value for name, value in stored.items() if name.startswith("backbone.")}
    save_file(bare, tmp_path / "bare.safetensors")
    with pytest.raises(CheckpointError, match="without a head, which gives no labels"):
        load_model(tmp_path / "bare.safetensors", device="cpu")
