"""ViT, DeiT and DINOv2 in their layouts give what transformers gives."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from vidskim.models.checkpoint import build_vision, read_checkpoint

TOLERANCE = 1e-5
Save = Callable[..., Path]

SIZES = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}


def features(path: Path, pixels: Tensor, **options: Any) -> Tensor:
    model = build_vision(read_checkpoint(path, **options))
    return model(model.embed(pixels))


def oracle(model: Any, pixels: Tensor, **options: Any) -> Tensor:
    with torch.inference_mode():
        return model(pixel_values=pixels, **options).last_hidden_state[:, 0]


def difference(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


def timm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's names turned into timm's, written without looking at the library's maps."""
    renamed: dict[str, Tensor] = {}
    replacements = [
        (r"^encoder\.layer\.", "blocks."),
        (r"attention\.output\.dense", "attn.proj"),
        (r"\.intermediate\.dense", ".mlp.fc1"),
        (r"\.output\.dense", ".mlp.fc2"),
        (r"layernorm_before", "norm1"),
        (r"layernorm_after", "norm2"),
        (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
        (r"^layernorm", "norm"),
        (r"embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
        (r"embeddings\.position_embeddings", "pos_embed"),
        (r"embeddings\.", ""),
    ]
    for name, value in state.items():
        if ".query." in name:
            value = torch.cat([state[name.replace("query", part)] for part in ("query", "key", "value")])
            name = name.replace("attention.attention.query", "attn.qkv")
        elif ".key." in name or ".value." in name or name.startswith("pooler"):
            continue
        for pattern, to in replacements:
            name = re.sub(pattern, to, name)
        renamed[name] = value
    return {name: value.clone() for name, value in renamed.items()}


def stored_state(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.fixture
def vit() -> transformers.ViTModel:
    return transformers.ViTModel(transformers.ViTConfig(**SIZES, intermediate_size=80, layer_norm_eps=1e-4))


@pytest.fixture
def dinov2() -> transformers.Dinov2Model:
    return transformers.Dinov2Model(transformers.Dinov2Config(**SIZES, mlp_ratio=2))


@pytest.fixture
def registers() -> transformers.Dinov2WithRegistersModel:
    config = transformers.Dinov2WithRegistersConfig(**SIZES, mlp_ratio=2, num_register_tokens=3)
    return transformers.Dinov2WithRegistersModel(config)


@pytest.mark.parametrize(
    ("name", "family", "description"),
    [
        ("vit", "vit", "vit w48 l3 h"),
        ("dinov2", "dinov2", "dinov2-vit w48 l3 h"),
        ("registers", "dinov2", "dinov2-vit w48 l3 h"),
    ],
)
def test_features_equal_transformers(
    request: pytest.FixtureRequest,
    save: Save,
    generator: torch.Generator,
    name: str,
    family: str,
    description: str,
) -> None:
    model = request.getfixturevalue(name)
    folder = save(model)
    pixels = torch.randn(3, 3, 32, 32, generator=generator)
    assert difference(features(folder, pixels), oracle(model, pixels)) < TOLERANCE
    checkpoint = read_checkpoint(folder)
    assert checkpoint.family == family
    assert checkpoint.description.startswith(description)
    assert checkpoint.vision.eps == model.config.layer_norm_eps
    assert checkpoint.text is None
    assert checkpoint.logit_scale is None


@pytest.mark.parametrize("image_size", [16, 48])
@pytest.mark.parametrize("name", ["vit", "dinov2", "registers"])
def test_another_image_size(
    request: pytest.FixtureRequest, save: Save, generator: torch.Generator, name: str, image_size: int
) -> None:
    model = request.getfixturevalue(name)
    pixels = torch.randn(2, 3, image_size, image_size, generator=generator)
    options = {"interpolate_pos_encoding": True} if name == "vit" else {}
    ours = features(save(model), pixels, image_size=image_size)
    assert difference(ours, oracle(model, pixels, **options)) < TOLERANCE


@pytest.mark.parametrize("name", ["ViTForImageClassification", "Dinov2ForImageClassification"])
def test_the_tower_of_a_classifier(save: Save, generator: torch.Generator, name: str) -> None:
    config = (
        transformers.ViTConfig(**SIZES, intermediate_size=80)
        if name.startswith("ViT")
        else transformers.Dinov2Config(**SIZES)
    )
    model = getattr(transformers, name)(config)
    folder = save(model)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    assert difference(features(folder, pixels), oracle(model.base_model, pixels)) < TOLERANCE


def test_projections_without_bias(save: Save, generator: torch.Generator) -> None:
    model = transformers.ViTModel(transformers.ViTConfig(**SIZES, intermediate_size=80, qkv_bias=False))
    folder = save(model)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    assert difference(features(folder, pixels), oracle(model, pixels)) < TOLERANCE
    file = folder.parent / "timm.safetensors"
    save_file(timm_names(stored_state(folder)), file)
    ours = features(file, pixels, config={"heads": 4, "eps": 1e-12})
    assert difference(ours, oracle(model, pixels)) < TOLERANCE


@pytest.mark.parametrize("name", ["vit", "dinov2", "registers"])
def test_timm_names(
    request: pytest.FixtureRequest, save: Save, generator: torch.Generator, name: str
) -> None:
    model = request.getfixturevalue(name)
    folder = save(model)
    state = {
        **timm_names(stored_state(folder)),
        "head.weight": torch.zeros(2, 48),
        "head.bias": torch.zeros(2),
    }
    file = folder.parent / "timm.pth"
    torch.save({"model": state}, file)
    checkpoint = read_checkpoint(file, config={"heads": 4, "eps": model.config.layer_norm_eps})
    assert checkpoint.weights_hash == read_checkpoint(folder).weights_hash
    assert checkpoint.family == read_checkpoint(folder).family
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    vision = build_vision(checkpoint)
    assert difference(vision(vision.embed(pixels)), oracle(model, pixels)) < TOLERANCE


def test_timm_registers_and_a_table_without_a_class_row(
    save: Save, registers: transformers.Dinov2WithRegistersModel, generator: torch.Generator
) -> None:
    folder = save(registers)
    state = timm_names(stored_state(folder))
    state["reg_token"] = state.pop("register_tokens")
    state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
    state["pos_embed"] = state["pos_embed"][:, 1:].clone()
    file = folder.parent / "timm.safetensors"
    save_file(state, file)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    assert difference(features(file, pixels, config={"heads": 4}), oracle(registers, pixels)) < TOLERANCE


def test_a_timm_folder_says_its_preparation(save: Save, vit: transformers.ViTModel) -> None:
    folder = save(vit)
    state = timm_names(stored_state(folder))
    save_file(state, folder / "model.safetensors")
    cfg = {"input_size": [3, 32, 32], "crop_pct": 0.8, "mean": [0.5] * 3, "std": [0.5] * 3}
    record = {"architecture": "vit_x", "pretrained_cfg": {**cfg, "interpolation": "bilinear"}}
    (folder / "config.json").write_text(json.dumps(record))
    preparation = read_checkpoint(folder, config={"heads": 4}).preparation
    assert (preparation.size, preparation.resize, preparation.interpolation) == (32, 40, "bilinear")
    assert preparation.mean == (0.5, 0.5, 0.5)


def test_dinov2_is_used_at_224_though_trained_larger(save: Save, generator: torch.Generator) -> None:
    config = transformers.Dinov2Config(
        **{**SIZES, "num_hidden_layers": 1, "image_size": 518, "patch_size": 14}
    )
    model = transformers.Dinov2Model(config)
    folder = save(model)
    checkpoint = read_checkpoint(folder)
    assert (checkpoint.vision.patch, checkpoint.vision.image) == (14, 224)
    assert checkpoint.vision_state["positions"].shape == (1 + 16 * 16, 48)
    assert (checkpoint.preparation.size, checkpoint.preparation.resize) == (224, 256)
    pixels = torch.randn(1, 3, 224, 224, generator=generator)
    assert difference(features(folder, pixels), oracle(model, pixels)) < TOLERANCE
    larger = read_checkpoint(folder, image_size=518)
    assert larger.weights_hash == checkpoint.weights_hash  # of the weights as stored
    assert larger.preparation.resize == 592
