"""The video classifier's own promises; that it equals transformers is tested with the layouts."""

import copy
import dataclasses
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VideoVitConfig, videomae_vit
from vidskim.models.video_vit import VideoTransformer, sinusoids

CONFIG = VideoVitConfig(
    width=24,
    layers=3,
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
    model = VideoTransformer(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return model.eval().requires_grad_(False)


@pytest.fixture
def pixels(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 3, 8, 12, 12, generator=generator)


def test_tubelets_are_a_convolution_time_first(model: VideoTransformer, pixels: Tensor) -> None:
    kernel = model.patch.weight.view(24, 3, 2, 4, 4)
    tubes = F.conv3d(pixels, kernel, model.patch.bias, stride=(2, 4, 4)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(model.embed(pixels), tubes + sinusoids(36, 24))


def test_the_table_is_sines_and_cosines() -> None:
    table = sinusoids(30, 6)
    assert table.dtype == torch.float32
    place = torch.tensor(17.0, dtype=torch.float64)
    rates = [1.0, 10000 ** (-2 / 6), 10000 ** (-4 / 6)]
    expected = torch.stack([f(place * rate) for rate in rates for f in (torch.sin, torch.cos)])
    torch.testing.assert_close(table[17], expected.float())


def test_a_longer_clip_goes_on_with_the_table(model: VideoTransformer, generator: torch.Generator) -> None:
    clip = torch.randn(1, 3, 16, 12, 12, generator=generator)
    torch.testing.assert_close(model.embed(clip)[:, :36], model.embed(clip[:, :, :8]))
    assert model(model.embed(clip)).shape == (1, 5)


def test_a_batch_is_its_clips(model: VideoTransformer, pixels: Tensor) -> None:
    rows = torch.cat([model(model.embed(clip[None])) for clip in pixels])
    torch.testing.assert_close(model(model.embed(pixels)), rows, atol=1e-5, rtol=1e-5)


def test_copies_and_repeats_give_the_same(model: VideoTransformer, pixels: Tensor) -> None:
    first = model(model.embed(pixels))
    for other in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(other.embed(pixels)), first)


def test_the_first_token_can_be_read_instead_of_the_mean(model: VideoTransformer, pixels: Tensor) -> None:
    other = VideoTransformer(dataclasses.replace(CONFIG, pool="first")).eval()
    other.load_state_dict(model.state_dict())
    x = model.embed(pixels)
    for layer, block in enumerate(model.blocks):
        x = block(x, layer=layer, reduction=Reduction())
    torch.testing.assert_close(other(other.embed(pixels)), model.head(model.norm(x[:, 0])))
    torch.testing.assert_close(model(model.embed(pixels)), model.head(model.norm(x.mean(dim=1))))


class Record(Reduction):
    def __init__(self) -> None:
        self.seen: list[tuple[int, torch.Size, torch.Size]] = []

    def after_block(self, layer: int, x: Tensor, keys: Tensor) -> Tensor:
        self.seen.append((layer, x.shape, keys.shape))
        return x[:, :-6]


def test_every_block_can_be_reduced(model: VideoTransformer, pixels: Tensor) -> None:
    record = Record()
    model(model.embed(pixels), record)
    assert [layer for layer, _, _ in record.seen] == [0, 1, 2]
    assert record.seen[2][1:] == ((2, 24, 24), (2, 3, 24, 8))


def test_it_can_be_trained_after_inference(model: VideoTransformer, pixels: Tensor) -> None:
    with torch.inference_mode():
        model(model.embed(pixels))
    model.requires_grad_(True)
    model(model.embed(pixels)).sum().backward()
    assert model.patch.weight.grad is not None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 8, 12, 16), r"clips of 12 x 12 pixels, received 12 x 16"),
        ((2, 8, 3, 12, 12), r"expected pixels \[b, 3, t, y, x\], received \[2, 8, 3, 12, 12\]"),
        ((3, 8, 12, 12), r"expected pixels \[b, 3, t, y, x\]"),
        ((2, 3, 7, 12, 12), "a token spans 2 frames, so a clip has a multiple of that; received 7 frames"),
    ],
)
def test_other_clips_are_refused(model: VideoTransformer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        model.embed(torch.zeros(shape))


def test_a_model_of_unknown_side_takes_whole_patches(generator: torch.Generator) -> None:
    model = VideoTransformer(dataclasses.replace(CONFIG, image=None))
    assert model.embed(torch.randn(1, 3, 4, 8, 16, generator=generator)).shape == (1, 16, 24)
    with pytest.raises(SettingsError, match="sides are multiples of 4 pixels, received 8 x 15"):
        model.embed(torch.zeros(1, 3, 4, 8, 15))


def test_sizes_by_name() -> None:
    assert [videomae_vit(name).heads for name in "SBLH"] == [6, 12, 16, 16]
    with torch.device("meta"):
        parameters = sum(p.numel() for p in VideoTransformer(videomae_vit("B")).parameters())
    assert parameters == pytest.approx(86.5e6, rel=0.01)
    with pytest.raises(SettingsError, match="unknown VideoMAE size 'M'"):
        videomae_vit("M")
    with pytest.raises(SettingsError, match="7 frames are not a multiple of the tubelet's 2"):
        dataclasses.replace(CONFIG, frames=7)
