import json

import numpy as np
import pytest
import torch
from PIL import Image

from vidskim.errors import SettingsError
from vidskim.video.prepare import (
    CLIP_MEAN,
    CLIP_STD,
    Preparation,
    crop_box,
    denormalise,
    prepare_frames,
    resized_size,
)


def noise(t, y, x):
    return np.random.default_rng(0).integers(0, 256, (t, y, x, 3), dtype=np.uint8)


def published(frame, size, resize, mean, std, filter_):
    """The published steps, one image at a time with Pillow."""
    y, x, _ = frame.shape
    long = int(resize * max(y, x) / min(y, x))
    image = Image.fromarray(frame).resize((resize, long) if x < y else (long, resize), filter_)
    left, top = round((image.width - size) / 2.0), round((image.height - size) / 2.0)
    cropped = image.crop((left, top, left + size, top + size))
    pixels = torch.from_numpy(np.array(cropped)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(mean).reshape(3, 1, 1)) / torch.tensor(std).reshape(3, 1, 1)


@pytest.mark.parametrize("shape", [(240, 320), (321, 123), (224, 224), (97, 53), (225, 399)])
def test_equal_to_the_published_preparation(shape):
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
            reference = published(frame, ours.size, ours.resize, ours.mean, ours.std, filter_)
            assert torch.equal(pixels, reference)


def test_frames_of_the_resized_size_are_only_cropped():
    frames = noise(1, 224, 398)
    pixels = denormalise(prepare_frames(frames, Preparation.clip()), Preparation.clip())
    expected = torch.from_numpy(frames[:, :, 87 : 87 + 224]).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(pixels, expected)


def test_sizes_and_boxes():
    assert resized_size(720, 1280, Preparation.imagenet()) == (256, 455)
    assert crop_box(720, 1280, Preparation.imagenet()) == (16, 116, 240, 340)


def test_a_preparation_survives_json():
    ours = Preparation(96, 128, CLIP_MEAN, CLIP_STD, "bilinear")
    assert Preparation.from_dict(json.loads(json.dumps(ours.to_dict()))) == ours


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
def test_settings_are_checked(settings, message):
    with pytest.raises(SettingsError, match=message):
        Preparation(**settings)


def test_unknown_keys_and_wrong_frames_are_errors():
    with pytest.raises(SettingsError, match=r"unknown Preparation field 'sise'.*Did you mean 'size'"):
        Preparation.from_dict({"sise": 3})
    with pytest.raises(SettingsError, match=r"uint8 \[t, y, x, 3\], received float32 \[2, 8, 8, 3\]"):
        prepare_frames(np.zeros((2, 8, 8, 3), np.float32), Preparation.clip())


def test_the_decoder_scales_bicubically_only():
    with pytest.raises(SettingsError, match=r'scaler="decoder" is bicubic, and this model needs bilinear'):
        Preparation(interpolation="bilinear", scaler="decoder")
    with pytest.raises(SettingsError, match="Did you mean 'pillow'"):
        Preparation(scaler="pilow")
