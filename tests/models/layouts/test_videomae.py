"""VideoMAE in its layouts gives what transformers gives, and what its authors' code gave."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from vidskim.models.recognition import build_video, read_video_checkpoint

TOLERANCE = 1e-5
FIXTURE = Path(__file__).parents[2] / "fixtures" / "sta"
Save = Callable[..., Path]


def make(**options: Any) -> transformers.VideoMAEForVideoClassification:
    sizes = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80}
    shape = {"image_size": 24, "patch_size": 8, "num_frames": 8, "num_labels": 5}
    config = transformers.VideoMAEConfig(**{**sizes, **shape, "use_mean_pooling": True, **options})
    return transformers.VideoMAEForVideoClassification(config)


def logits(path: Path, pixels: Tensor, **options: Any) -> Tensor:
    model = build_video(read_video_checkpoint(path, **options))
    return model(model.embed(pixels))


def oracle(model: Any, pixels: Tensor) -> Tensor:
    with torch.inference_mode():
        return model(pixel_values=pixels.transpose(1, 2)).logits


def difference(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


def stored_state(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def authors_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's names turned into the authors', written without looking at the library's maps."""
    replacements = [
        (r"^videomae\.", ""),
        (r"^encoder\.layer\.", "blocks."),
        (r"attention\.attention\.(q|v)_bias", r"attn.\1_bias"),
        (r"attention\.output\.dense", "attn.proj"),
        (r"\.intermediate\.dense", ".mlp.fc1"),
        (r"\.output\.dense", ".mlp.fc2"),
        (r"layernorm_before", "norm1"),
        (r"layernorm_after", "norm2"),
        (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
        (r"^layernorm", "norm"),
        (r"^classifier", "head"),
    ]
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if ".query." in name:
            value = torch.cat([state[name.replace("query", part)] for part in ("query", "key", "value")])
            name = name.replace("attention.attention.query", "attn.qkv")
        elif ".key." in name or ".value." in name:
            continue
        for pattern, to in replacements:
            name = re.sub(pattern, to, name)
        renamed[name] = value
    return renamed


@pytest.fixture
def pixels(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 3, 8, 24, 24, generator=generator)


OPTIONS: dict[str, dict[str, Any]] = {
    "mean": {},
    "first token": {"use_mean_pooling": False},
    "no bias": {"qkv_bias": False},
    "other eps": {"layer_norm_eps": 1e-3},
    "tubelet of one": {"tubelet_size": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_logits_equal_transformers(
    save: Save, pixels: Tensor, recwarn: pytest.WarningsRecorder, options: dict[str, Any]
) -> None:
    model = make(**options)
    folder = save(model)
    assert difference(logits(folder, pixels), oracle(model, pixels)) < TOLERANCE
    config = read_video_checkpoint(folder).config
    assert (config.frames, config.image, config.eps) == (8, 24, model.config.layer_norm_eps)
    assert config.head_eps == (1e-5 if model.config.use_mean_pooling else config.eps)


def test_names_of_transformers_4_and_5_are_one(save: Save, tmp_path: Path) -> None:
    model = make()
    folder = save(model)
    in_memory = {name: value.clone() for name, value in model.state_dict().items()}
    assert any(name.endswith("query.bias") for name in in_memory)
    assert any(name.endswith("q_bias") for name in stored_state(folder))
    save_file(in_memory, tmp_path / "five.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    five = read_video_checkpoint(tmp_path / "five.safetensors")
    four = read_video_checkpoint(folder)
    assert five.weights_hash == four.weights_hash
    assert five.config == four.config


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("wrapper", ["module", "model"])
def test_authors_names(save: Save, pixels: Tensor, tmp_path: Path, mean: bool, wrapper: str) -> None:
    model = make(use_mean_pooling=mean, layer_norm_eps=1e-6)
    folder = save(model)
    file = tmp_path / "checkpoint.pth"
    torch.save({wrapper: authors_names(stored_state(folder))}, file)
    checkpoint = read_video_checkpoint(file, config={"heads": 4})
    assert checkpoint.weights_hash == read_video_checkpoint(folder).weights_hash
    assert (checkpoint.config.eps, checkpoint.config.head_eps) == (1e-6, 1e-6)
    assert checkpoint.config.image is None
    theirs = logits(file, pixels, config={"heads": 4})
    assert difference(theirs, oracle(model, pixels)) < 5 * TOLERANCE  # transformers' last norm has eps 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, TOLERANCE)])
def test_the_authors_code(dtype: torch.dtype, tolerance: float) -> None:
    clip = load_file(FIXTURE / "clip.safetensors")
    model = build_video(read_video_checkpoint(FIXTURE, config={"heads": 4}), dtype=dtype)
    ours = model(model.embed(clip["input"]))
    assert ours.dtype == dtype
    assert difference(ours.double(), clip["logits_full"]) < tolerance
