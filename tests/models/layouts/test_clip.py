"""CLIP in its layouts gives what transformers gives."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from torch import Tensor

from vidskim.models.checkpoint import build_text, build_vision, read_checkpoint

TOLERANCE = 1e-5
Save = Callable[..., Path]
Clip = Callable[..., transformers.CLIPModel]


def vision_features(path: Path, pixels: Tensor, **options: Any) -> Tensor:
    model = build_vision(read_checkpoint(path, **options))
    return model(model.embed(pixels))


def oracle_vision(model: Any, pixels: Tensor, **options: Any) -> Tensor:
    with torch.inference_mode():
        return model.get_image_features(pixel_values=pixels, **options).pooler_output


def oracle_text(model: Any, ids: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.get_text_features(input_ids=ids).pooler_output


def difference(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


def openai_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's names turned into OpenAI's, written without looking at the library's maps."""
    renamed: dict[str, Tensor] = {}
    replacements = [
        (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
        (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
        (r"^vision_model\.", "visual."),
        (r"^text_model\.", ""),
        (r"layer_norm(\d)", r"ln_\1"),
        (r"\.mlp\.fc1", ".mlp.c_fc"),
        (r"\.mlp\.fc2", ".mlp.c_proj"),
        (r"self_attn\.out_proj", "attn.out_proj"),
        (r"embeddings\.token_embedding", "token_embedding"),
        (r"embeddings\.position_embedding\.weight", "positional_embedding"),
        (r"embeddings\.class_embedding", "class_embedding"),
        (r"embeddings\.patch_embedding", "conv1"),
        (r"pre_layrnorm", "ln_pre"),
        (r"post_layernorm", "ln_post"),
        (r"final_layer_norm", "ln_final"),
    ]
    for name, value in state.items():
        if ".q_proj." in name:
            rows = [state[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            value, name = torch.cat(rows), re.sub(r"self_attn\.q_proj\.", "attn.in_proj_", name)
        elif ".k_proj." in name or ".v_proj." in name:
            continue
        for pattern, to in replacements:
            name = re.sub(pattern, to, name)
        renamed[name] = value
    renamed["visual.proj"] = renamed.pop("visual_projection.weight").T.contiguous()
    renamed["text_projection"] = renamed.pop("text_projection.weight").T.contiguous()
    return {name: value.clone() for name, value in renamed.items()}


def plain_vision(state: dict[str, Tensor], pixels: Tensor, *, heads: int) -> Tensor:
    """OpenAI's vision tower with PyTorch's own attention module: the published forward pass."""

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    conv = state["visual.conv1.weight"]
    width = conv.shape[0]
    x = F.conv2d(pixels, conv, stride=conv.shape[-1]).flatten(2).transpose(1, 2)
    x = torch.cat([state["visual.class_embedding"].expand(len(x), 1, width), x], dim=1)
    x = norm(x + state["visual.positional_embedding"], "visual.ln_pre")
    for layer in range(1 + max(int(found[1]) for n in state if (found := re.match(r"visual.*\.(\d+)\.", n)))):
        block = f"visual.transformer.resblocks.{layer}"
        attention = torch.nn.MultiheadAttention(width, heads, batch_first=True)
        prefix = f"{block}.attn."
        attention.load_state_dict(
            {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
        )
        y = norm(x, f"{block}.ln_1")
        x = x + attention(y, y, y, need_weights=False)[0]
        y = linear(norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc")
        x = x + linear(y * torch.sigmoid(1.702 * y), f"{block}.mlp.c_proj")
    return (norm(x, "visual.ln_post")[:, 0] @ state["visual.proj"]).detach()


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_both_towers_equal_transformers(
    save: Save, clip: Clip, ids: Tensor, generator: torch.Generator, activation: str, eps: float
) -> None:
    model = clip(activation=activation, eps=eps)
    checkpoint = read_checkpoint(save(model))
    assert checkpoint.family == "clip"
    assert (
        checkpoint.description
        == f"clip-vit w48 l3 h{checkpoint.vision.heads} p8 i32 {activation} eps {eps:g}"
    )
    assert (checkpoint.vision.activation, checkpoint.vision.eps) == (activation, eps)
    assert checkpoint.logit_scale == pytest.approx(model.logit_scale.item())
    pixels = torch.randn(3, 3, 32, 32, generator=generator)
    vision, text = build_vision(checkpoint), build_text(checkpoint)
    assert difference(vision(vision.embed(pixels)), oracle_vision(model, pixels)) < TOLERANCE
    assert difference(text(ids), oracle_text(model, ids)) < TOLERANCE
    assert not vision.training
    assert not any(parameter.requires_grad for parameter in (*vision.parameters(), *text.parameters()))


def test_end_id_2_means_the_largest_id(save: Save, clip: Clip, ids: Tensor) -> None:
    model = clip(end_id=2)
    checkpoint = read_checkpoint(save(model))
    assert checkpoint.text is not None
    assert checkpoint.text.end_id is None
    assert difference(build_text(checkpoint)(ids), oracle_text(model, ids)) < TOLERANCE


def test_the_first_end_token_counts_even_with_larger_ids_around(save: Save, clip: Clip, ids: Tensor) -> None:
    model = clip(end_id=30)
    ids = ids.masked_fill(ids == 30, 31)
    ids[:, 5] = 30
    assert difference(build_text(read_checkpoint(save(model)))(ids), oracle_text(model, ids)) < TOLERANCE


def test_shards_and_pickled_tensors_give_the_same_weights(save: Save, clip: Clip) -> None:
    model = clip()
    folder = save(model, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 3
    sharded = read_checkpoint(folder)
    for file in folder.glob("model*"):
        file.unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    pickled = read_checkpoint(folder)
    assert sharded.weights_hash == pickled.weights_hash
    assert sharded.vision == pickled.vision


@pytest.mark.parametrize("image_size", [16, 48])
def test_another_image_size(save: Save, clip: Clip, generator: torch.Generator, image_size: int) -> None:
    model = clip()
    pixels = torch.randn(2, 3, image_size, image_size, generator=generator)
    ours = vision_features(save(model), pixels, image_size=image_size)
    assert difference(ours, oracle_vision(model, pixels, interpolate_pos_encoding=True)) < TOLERANCE


def test_a_vision_tower_alone(save: Save, clip: Clip, generator: torch.Generator) -> None:
    model = transformers.CLIPVisionModel(clip().config.vision_config)
    folder = save(model)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    with torch.inference_mode():
        expected = model(pixel_values=pixels).pooler_output
    assert difference(vision_features(folder, pixels), expected) < TOLERANCE
    assert read_checkpoint(folder).text is None


def test_a_vision_tower_with_its_projection(save: Save, clip: Clip, generator: torch.Generator) -> None:
    model = transformers.CLIPVisionModelWithProjection(clip().config.vision_config)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    folder = save(model)
    with torch.inference_mode():
        expected = model(pixel_values=pixels).image_embeds
    assert difference(vision_features(folder, pixels), expected) < TOLERANCE


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict/", "model.module."])
def test_openai_names(
    save: Save, clip: Clip, ids: Tensor, tmp_path: Path, generator: torch.Generator, prefix: str
) -> None:
    model = clip()
    stored = read_checkpoint(save(model))
    state = openai_names(model.state_dict())
    file = tmp_path / "openai.safetensors"
    save_file(
        {prefix + name: value for name, value in state.items()}
        | ({"x": torch.zeros(1)} if "/" in prefix else {}),
        file,
    )
    checkpoint = read_checkpoint(file, config={"heads": 4, "text_heads": 5})
    assert checkpoint.weights_hash == stored.weights_hash
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    vision, text = build_vision(checkpoint), build_text(checkpoint)
    assert difference(vision(vision.embed(pixels)), oracle_vision(model, pixels)) < TOLERANCE
    assert difference(text(ids), oracle_text(model, ids)) < TOLERANCE
    assert difference(vision(vision.embed(pixels)), plain_vision(state, pixels, heads=4)) < TOLERANCE


def test_open_clip_with_gelu_and_a_text_tower_apart(
    save: Save, clip: Clip, ids: Tensor, tmp_path: Path, generator: torch.Generator
) -> None:
    model = clip(activation="gelu")
    save(model)
    state = openai_names(model.state_dict())
    renamed = {
        name if name.startswith("visual.") or name == "logit_scale" else f"text.{name}": value
        for name, value in state.items()
    }
    torch.save({"epoch": 3, "state_dict": renamed}, tmp_path / "epoch_3.pt")
    checkpoint = read_checkpoint(
        tmp_path / "epoch_3.pt", config={"heads": 4, "text_heads": 5, "activation": "gelu"}
    )
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    vision, text = build_vision(checkpoint), build_text(checkpoint)
    assert difference(vision(vision.embed(pixels)), oracle_vision(model, pixels)) < TOLERANCE
    assert difference(text(ids), oracle_text(model, ids)) < TOLERANCE


def test_residualvit_checkpoints_carry_their_tokenizer_twice(save: Save, clip: Clip, tmp_path: Path) -> None:
    model = clip()
    save(model)
    state = openai_names(model.state_dict())
    weight, bias = torch.randn(48, 24), torch.randn(48)
    for name in ("projection_residual_feature", "proj_head"):
        state |= {f"visual.{name}.0.weight": weight.clone(), f"visual.{name}.0.bias": bias.clone()}
    wrapped = {"state_dict": {f"module.{name}": value for name, value in state.items()}}
    torch.save(wrapped, tmp_path / "epoch_5.pt")
    checkpoint = read_checkpoint(tmp_path / "epoch_5.pt", config={"heads": 4, "text_heads": 5})
    assert checkpoint.residual_state is not None
    assert set(checkpoint.residual_state) == {"0.weight", "0.bias"}
    assert torch.equal(checkpoint.residual_state["0.weight"], weight)
    bare = {name.removeprefix("visual."): v for name, v in state.items() if name.startswith("visual.")}
    save_file(bare, tmp_path / "bare.safetensors")
    alone = read_checkpoint(tmp_path / "bare.safetensors", config={"heads": 4})
    assert alone.text is None
    assert alone.weights_hash == checkpoint.weights_hash
    assert alone.residual_state is not None


def test_an_open_clip_folder_says_its_activation_and_heads(save: Save, clip: Clip, tmp_path: Path) -> None:
    model = clip(activation="gelu")
    save(model)
    folder = tmp_path / "open_clip"
    folder.mkdir()
    save_file(openai_names(model.state_dict()), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(
        '{"model_cfg": {"vision_cfg": {"width": 48, "head_width": 12}, "text_cfg": {"heads": 5}},'
        ' "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}'
    )
    checkpoint = read_checkpoint(folder)
    assert (checkpoint.vision.activation, checkpoint.vision.heads) == ("gelu", 4)
    assert checkpoint.text is not None
    assert (checkpoint.text.activation, checkpoint.text.heads) == ("gelu", 5)
    assert checkpoint.preparation.mean == (0.5, 0.5, 0.5)
    assert checkpoint.preparation.std == (0.25, 0.25, 0.25)
