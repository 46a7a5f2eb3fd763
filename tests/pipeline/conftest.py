"""A tiny CLIP folder with both towers and a tokenizer, loaded the way a user loads one."""

import json
from pathlib import Path

import pytest
import torch

from vidskim.models.export import save_checkpoint
from vidskim.models.text import TextTransformer
from vidskim.models.variants import TextConfig, VitConfig
from vidskim.models.vit import VisionTransformer

VISION = VitConfig(
    width=32,
    layers=3,
    heads=2,
    patch=8,
    image=32,
    hidden=64,
    activation="quick_gelu",
    eps=1e-5,
    embed=16,
    norm_pre=True,
    patch_bias=False,
)
WORDS = ["<|startoftext|>", "<|endoftext|>", "a</w>", "dog</w>", "cat</w>"]
TEXT = TextConfig(
    width=32,
    layers=2,
    heads=2,
    hidden=64,
    context=8,
    vocabulary=64,
    embed=16,
    activation="quick_gelu",
    eps=1e-5,
    end_id=1,
)


def fill(model: torch.nn.Module, seed: int) -> None:
    """Random values in every parameter."""
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """A Hugging Face CLIP folder."""
    vision, text = VisionTransformer(VISION), TextTransformer(TEXT)
    fill(vision, 0)
    fill(text, 1)
    folder = tmp_path / "clip"
    save_checkpoint(folder, vision, text)
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz")]
    vocabulary = list(dict.fromkeys([*WORDS[:2], *letters]))
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder
