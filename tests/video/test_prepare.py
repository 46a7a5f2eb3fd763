"""Preparation, bit for bit against the published steps."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vidskim.errors import SettingsError, VideoTooLargeError
from vidskim.video.geometry import centre_box
from vidskim.video.prepare import (
    Preparation,
    prepare_frames,
    resized_size,
)


def noise(t: int, y: int, x: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (t, y, x, 3), dtype=np.uint8)


def published(frame: np.ndarray, ours: Preparation, filter_: Image.Resampling) -> torch.Tensor:
    """The published steps, one image at a time with Pillow."""
    y, x, _ = frame.shape
    size, resize = ours.size, ours.resize
    long = int(resize * max(y, x) / min(y, x))
    image = Image.fromarray(frame).resize((resize, long) if x < y else (long, resize), filter_)
    left, top = round((image.width - size) / 2.0), round((image.height - size) / 2.0)
    cropped = image.crop((left, top, left + size, top + size))
    pixels = torch.from_numpy(np.array(cropped)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(ours.mean).reshape(3, 1, 1)) / torch.tensor(ours.std).reshape(3, 1, 1)


@pytest.mark.parametrize("shape", [(240, 320), (321, 123), (224, 224), (97, 53), (225, 399)])
def test_equal_to_the_published_preparation(shape: tuple[int, int]) -> None:
    frames = noise(2, *shape)
    for ours, filter_ in (
        (Preparation.clip(), Image.Resampling.BICUBIC),
        (Preparation.imagenet(), Image.Resampling.BICUBIC),
        (Preparation(96, 128, interpolation="bilinear"), Image.Resampling.BILINEAR),
    ):
        made = prepare_frames(frames, ours)
        assert made.shape == (2, 3, ours.size, ours.size)
        assert made.dtype == torch.float32
        for frame, pixels in zip(frames, made, strict=True):
            reference = published(frame, ours, filter_)
            assert torch.equal(pixels, reference)


def test_frames_of_the_resized_size_are_only_cropped() -> None:
    frames = noise(1, 224, 398)
    plain = Preparation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    expected = torch.from_numpy(frames[:, :, 87 : 87 + 224]).permute(0, 3, 1, 2) / 255
    assert torch.equal(prepare_frames(frames, plain), expected)


def test_the_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = noise(5, 90, 160)
    made = []
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        made.append(prepare_frames(frames, Preparation.clip(64)))
    assert torch.equal(*made)


@pytest.mark.parametrize(("y", "x", "size"), [(2, 16384, "1835008x224"), (16384, 2, "224x1835008")])
def test_extreme_shapes_are_refused_before_they_fill_the_memory(y: int, x: int, size: str) -> None:
    message = (
        rf"a {x}x{y} frame would become {size} pixels before the crop, above 67108864; leave this video out"
    )
    with pytest.raises(VideoTooLargeError, match=message):
        prepare_frames(np.zeros((1, y, x, 3), np.uint8), Preparation.clip())
    assert prepare_frames(np.zeros((1, 8, 1600, 3), np.uint8), Preparation.clip(32)).shape == (1, 3, 32, 32)


def test_sizes_and_boxes() -> None:
    assert resized_size(720, 1280, Preparation.imagenet()) == (256, 455)
    assert centre_box(*resized_size(720, 1280, Preparation.imagenet()), 224) == (16, 116, 240, 340)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 224, "resize": 200}, "received size 224 and resize 200"),
        ({"size": 0, "resize": 0}, "1 <= size"),
        ({"std": (1.0, 0.0, 1.0)}, "std above 0"),
        ({"mean": (1.0, 0.0)}, "three numbers"),
        ({"interpolation": "bicubik"}, "unknown interpolation 'bicubik'.*Did you mean 'bicubic'"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Preparation(**settings)


def test_wrong_frames_are_errors() -> None:
    with pytest.raises(SettingsError, match=r"uint8 \[t, y, x, 3\], received float32 \[2, 8, 8, 3\]"):
        prepare_frames(np.zeros((2, 8, 8, 3), np.float32), Preparation.clip())


def test_the_decoder_scales_bicubically_only() -> None:
    with pytest.raises(SettingsError, match=r'scaler="decoder" is bicubic, and this model needs bilinear'):
        Preparation(interpolation="bilinear", scaler="decoder")
    with pytest.raises(SettingsError, match="Did you mean 'pillow'"):
        Preparation(scaler="pilow")
