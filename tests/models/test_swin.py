"""Video Swin gives what a dense implementation with masks gives."""

import copy
from dataclasses import replace

import pytest
import torch
from tests.models.swin_oracle import logits, mmaction_state, random_swin

from vidskim.models.linear import pack_linears
from vidskim.models.swin import VideoSwin
from vidskim.models.swin_variants import SwinConfig

TINY = SwinConfig(
    width=8, depths=(2, 2, 2, 2), heads=(1, 2, 2, 4), window=(4, 3, 3), patch=(2, 4, 4), classes=5
)


@pytest.mark.parametrize(
    "size",
    [
        (16, 48, 48),  # whole windows everywhere
        (12, 44, 52),  # padding of maps and of odd merges
        (11, 45, 31),  # padding of patches
        (7, 8, 9),  # maps smaller than a window in space: their biases are read by slot number
        (20, 8, 40),  # shifted in time, shrunk in rows
        (2, 4, 4),  # one token
        (6, 36, 100),
    ],
)
def test_logits_equal_dense_attention(size: tuple[int, int, int], generator: torch.Generator) -> None:
    model = random_swin(TINY, generator)
    pixels = torch.randn(2, 3, *size, generator=generator)
    expected = logits(pixels, mmaction_state(model), TINY)
    assert expected.shape == (2, 5)
    torch.testing.assert_close(model(pixels), expected, atol=1e-5, rtol=1e-5)


def test_window_as_published(generator: torch.Generator) -> None:
    config = replace(TINY, window=(8, 7, 7), depths=(2, 2), heads=(1, 2))
    model = random_swin(config, generator)
    pixels = torch.randn(1, 3, 22, 40, 36, generator=generator)
    expected = logits(pixels, mmaction_state(model), config)
    torch.testing.assert_close(model(pixels), expected, atol=1e-5, rtol=1e-5)


def test_windows_matter(generator: torch.Generator) -> None:
    """The agreement is no accident of tokens that hardly attend: other windows give other logits."""
    model = random_swin(TINY, generator)
    pixels = torch.randn(1, 3, 16, 48, 48, generator=generator)
    other = VideoSwin(replace(TINY, window=(2, 3, 3)))
    state = model.state_dict()
    state |= {name: value[: len(value) * 3 // 7] for name, value in state.items() if "table" in name}
    other.load_state_dict(state)
    assert (model(pixels) - other(pixels)).abs().max() > 1e-2


def test_a_batch_is_its_clips_and_repeats_agree(generator: torch.Generator) -> None:
    model = random_swin(TINY, generator)
    pixels = torch.randn(3, 3, 6, 28, 20, generator=generator)
    together = model(pixels)
    torch.testing.assert_close(
        together, torch.cat([model(clip[None]) for clip in pixels]), atol=1e-5, rtol=1e-5
    )
    assert torch.equal(copy.deepcopy(model)(pixels), together)


def test_without_a_head_the_pooled_token_is_the_feature(generator: torch.Generator) -> None:
    model = random_swin(replace(TINY, classes=None), generator)
    assert model(torch.randn(2, 3, 4, 16, 16, generator=generator)).shape == (2, 64)


def test_bfloat16(generator: torch.Generator) -> None:
    model = random_swin(TINY, generator)
    pixels = torch.randn(2, 3, 8, 32, 32, generator=generator)
    expected = model(pixels)
    model.bfloat16()
    pack_linears(model)
    with torch.inference_mode():
        out = model(pixels)
    assert out.dtype == model.dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(out.float(), expected).min() > 0.99


@pytest.mark.parametrize("shape", [(1, 1, 4, 16, 16), (3, 4, 16, 16), (1, 3, 0, 16, 16)])
def test_pixels_of_another_shape_are_refused(shape: tuple[int, ...], generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match=r"expected pixels \[b, 3, frames, y, x\], received \["):
        random_swin(TINY, generator)(torch.zeros(shape))
