"""What is read, what is refused, and what the refusal says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.checkpoint import build_text, build_vision, read_checkpoint
from vidskim.models.variants import fold_quick_gelu

Save = Callable[..., Path]
Clip = Callable[..., transformers.CLIPModel]
VISION = "vision_model.encoder.layers"


@pytest.fixture
def folder(save: Save, clip: Clip) -> Path:
    return save(clip())


def change(folder: Path, edit: Callable[[dict[str, Tensor]], None]) -> None:
    """Edit the tensors of a folder in place."""
    state = load_file(folder / "model.safetensors")
    edit(state)
    save_file(state, folder / "model.safetensors")


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, **options)
    return str(caught.value)


def test_missing_misshaped_and_unexpected_keys_are_named_together(folder: Path) -> None:
    def edit(state: dict[str, Tensor]) -> None:
        del state[f"{VISION}.1.self_attn.k_proj.bias"]
        del state["text_model.final_layer_norm.weight"]
        state[f"{VISION}.0.mlp.fc1.weight"] = torch.zeros(81, 48)
        state["vision_model.embeddings.patch_embedding.weight"] = torch.zeros(48, 3, 4, 4)
        state["vision_model.adapter.weight"] = torch.zeros(1)

    change(folder, edit)
    message = refusal(folder)
    assert f"2 missing: text_model.final_layer_norm.weight, {VISION}.1.self_attn.k_proj.bias" in message
    assert f"{VISION}.0.mlp.fc1.weight (expected [80, 48], received [81, 48])" in message
    assert "patch_embedding.weight (expected [48, 3, 8, 8], received [48, 3, 4, 4])" in message
    assert "1 unexpected: vision_model.adapter.weight" in message


def test_long_lists_are_cut(folder: Path) -> None:
    def edit(state: dict[str, Tensor]) -> None:
        for name in [name for name in state if f"{VISION}.2." in name]:
            del state[name]

    change(folder, edit)
    assert re.search(r"16 missing: .* and 6 more", refusal(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    def edit(state: dict[str, Tensor]) -> None:
        state[f"{VISION}.0.mlp.fc1.bias"][3] = value

    change(folder, edit)
    assert f"1 with NaN or infinite values: {VISION}.0.mlp.fc1.bias" in refusal(folder)


def test_the_signature_key_may_be_the_missing_one(folder: Path) -> None:
    change(folder, lambda state: state.pop("vision_model.embeddings.class_embedding"))
    assert "1 missing: vision_model.embeddings.class_embedding" in refusal(folder)


def test_a_bare_state_dict_without_a_telling_key(folder: Path, tmp_path: Path) -> None:
    bare = {"class_embedding": torch.zeros(64), "conv1.weight": torch.zeros(64, 3, 8, 8)}
    save_file(bare, tmp_path / "bare.safetensors")
    message = refusal(tmp_path / "bare.safetensors")
    assert "missing visual.positional_embedding" in message or "visual.positional_embedding" in message
    assert "image" in message
    assert "cannot be told" in message


def test_integers_are_no_weights(folder: Path) -> None:
    change(
        folder, lambda state: state.update({f"{VISION}.0.mlp.fc1.bias": torch.zeros(80, dtype=torch.int32)})
    )
    assert f"{VISION}.0.mlp.fc1.bias" in refusal(folder)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("visual.trunk.blocks.0.norm1.weight", "timm image tower"),
        ("visual.layer1.0.conv1.weight", "a ResNet CLIP"),
        ("visual.attn_pool.query", "attentional pooling"),
        ("dist_token", "distillation token"),
        ("blocks.0.mlp.w12.weight", "SwiGLU"),
        ("fc_norm.weight", "pools patches by their mean"),
    ],
)
def test_look_alikes_are_refused_by_name(tmp_path: Path, key: str, words: str) -> None:
    save_file({key: torch.zeros(2)}, tmp_path / "other.safetensors")
    message = refusal(tmp_path / "other.safetensors")
    assert words in message
    assert repr(key) in message


def test_an_unknown_layout_lists_the_known_ones(tmp_path: Path) -> None:
    save_file({"stem.conv": torch.zeros(2), "stem.norm": torch.zeros(2)}, tmp_path / "other.safetensors")
    message = refusal(tmp_path / "other.safetensors")
    assert "stem.conv, stem.norm" in message
    assert "Hugging Face CLIP" in message
    assert "timm ViT and DeiT" in message


@pytest.mark.parametrize(
    ("change_to", "words"),
    [
        ({"model_type": "siglip"}, "model_type 'siglip' is not supported; supported: clip, "),
        ({"use_swiglu_ffn": True}, "SwiGLU"),
        ({"vision_config": {"num_channels": 4}}, "num_channels must be 3, received 4"),
        (
            {"vision_config": {"hidden_act": "relu"}},
            "hidden_act must be 'gelu' or 'quick_gelu', received 'relu'",
        ),
        (
            {"vision_config": {"image_size": [32, 64]}},
            "image_size must be a whole number above 0, received [32, 64]",
        ),
        ({"vision_config": {"num_attention_heads": 5}}, "heads must divide the width 48, received 5"),
        ({"vision_config": {"image_size": 33}}, "image side 33 is not a multiple of the patch side 8"),
    ],
)
def test_a_config_that_cannot_be(folder: Path, change_to: dict[str, Any], words: str) -> None:
    record = json.loads((folder / "config.json").read_text())
    for name, value in change_to.items():
        record[name] = {**record[name], **value} if isinstance(value, dict) else value
    (folder / "config.json").write_text(json.dumps(record))
    assert words in refusal(folder)


def test_config_and_weights_that_disagree(folder: Path) -> None:
    record = json.loads((folder / "config.json").read_text())
    record["vision_config"]["image_size"] = 48
    (folder / "config.json").write_text(json.dumps(record))
    assert "position_embedding.weight (expected [37, 48], received [17, 48])" in refusal(folder)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"head": 4}, "unknown config key 'head'"),
        ({"head": 4}, "Did you mean 'heads'?"),
        ({"heads": 0}, "config['heads'] must be a whole number above 0, received 0"),
        ({"heads": True}, "received True"),
        ({"heads": 5}, "heads must divide the width 48, received 5"),
        ({"text_heads": 7}, "text_heads must divide the width 40, received 7"),
        ({"activation": "relu"}, "config['activation'] must be 'gelu' or 'quick_gelu', received 'relu'"),
        ({"eps": 2.0}, "config['eps'] must be a number between 0 and 1, received 2.0"),
        ({"mean": [0.5, 0.5]}, "config['mean'] must be three numbers"),
        ({"std": [0.5, 0.5, 0.0]}, "config['std'] must be three numbers above 0"),
        ({"image_size": 30}, "image size 30 is not a multiple of the patch side 8"),
        ({"image_size": 32, "resize": 16}, "1 <= size <= resize"),
    ],
)
def test_config_is_checked(folder: Path, config: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        read_checkpoint(folder, config=config)


def test_config_wins_over_the_files(folder: Path) -> None:
    config = {"activation": "gelu", "eps": 1e-4, "heads": 2, "text_heads": 4, "resize": 40}
    config |= {"mean": [0, 0, 0], "std": (1, 1, 1)}
    checkpoint = read_checkpoint(folder, config=config)
    assert checkpoint.text is not None
    assert (checkpoint.vision.activation, checkpoint.text.activation) == ("gelu", "gelu")
    assert (checkpoint.vision.heads, checkpoint.text.heads) == (2, 4)
    assert (checkpoint.vision.eps, checkpoint.text.eps) == (1e-4, 1e-4)
    assert (checkpoint.preparation.size, checkpoint.preparation.resize) == (32, 40)
    assert (checkpoint.preparation.mean, checkpoint.preparation.std) == ((0, 0, 0), (1, 1, 1))


def test_an_image_size_of_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="image_size"):
        read_checkpoint(folder, image_size=0)


def test_heads_that_cannot_be_told(folder: Path) -> None:
    (folder / "config.json").unlink()
    message = refusal(folder)
    assert "weights of width 48 do not tell the number of heads; pass config={'heads': ...}" in message


def test_a_file_inside_its_folder_knows_the_config(folder: Path) -> None:
    assert read_checkpoint(folder / "model.safetensors").vision == read_checkpoint(folder).vision


def test_the_hash_follows_values_only(folder: Path, tmp_path: Path) -> None:
    first = read_checkpoint(folder)
    assert first.weights_hash == read_checkpoint(folder, image_size=48).weights_hash
    assert re.fullmatch("[0-9a-f]{64}", first.weights_hash)

    def edit(state: dict[str, Tensor]) -> None:
        state[f"{VISION}.0.mlp.fc1.bias"][3] += 1e-3

    change(folder, edit)
    assert first.weights_hash != read_checkpoint(folder).weights_hash


def test_building_copies_and_casts(folder: Path) -> None:
    checkpoint = read_checkpoint(folder)
    first, second = build_vision(checkpoint), build_vision(checkpoint, dtype=torch.bfloat16)
    assert (first.dtype, second.dtype) == (torch.float32, torch.bfloat16)
    with torch.no_grad():
        first.class_token.zero_()
    assert checkpoint.vision_state["class_token"].abs().max() > 0
    assert "tensor(" not in repr(checkpoint)


def test_folded_towers_give_the_same(folder: Path, ids: Tensor, generator: torch.Generator) -> None:
    checkpoint = read_checkpoint(folder)
    assert checkpoint.text is not None
    assert checkpoint.text_state is not None
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    plain = build_vision(checkpoint)
    config, state = fold_quick_gelu(checkpoint.vision, checkpoint.vision_state)
    folded = build_vision(checkpoint, config=config, state=state)
    assert config.activation == "silu"
    with torch.inference_mode():
        torch.testing.assert_close(
            folded(folded.embed(pixels)), plain(plain.embed(pixels)), atol=1e-6, rtol=1e-5
        )
        text_config, text_state = fold_quick_gelu(checkpoint.text, checkpoint.text_state)
        text = build_text(checkpoint, config=text_config, state=text_state)
        torch.testing.assert_close(text(ids), build_text(checkpoint)(ids), atol=1e-6, rtol=1e-5)


def test_buffers_of_older_files_are_known(folder: Path) -> None:
    before = read_checkpoint(folder)
    places = {
        f"{tower}_model.embeddings.position_ids": torch.arange(17)[None] for tower in ("vision", "text")
    }
    change(folder, lambda state: state.update({name: value.clone() for name, value in places.items()}))
    assert read_checkpoint(folder).weights_hash == before.weights_hash


def test_there_is_no_text_tower_in_a_vit(save: Save) -> None:
    config = transformers.ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32)
    checkpoint = read_checkpoint(save(transformers.ViTModel(config)))
    with pytest.raises(CheckpointError, match="has no text tower"):
        build_text(checkpoint)


def test_tokenizer_files_are_found_beside_the_weights(folder: Path) -> None:
    assert read_checkpoint(folder).tokenizer_dir is None
    (folder / "tokenizer.json").write_text("{}")
    assert read_checkpoint(folder).tokenizer_dir == folder
