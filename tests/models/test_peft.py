"""Adapters through PEFT itself, both ways, on a Hugging Face CLIP."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import transformers
from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.models.adapter import Adapter, read_adapter, save_as_peft
from vidskim.models.checkpoint import build_text, build_vision, read_checkpoint
from vidskim.models.lora import LowRank
from vidskim.models.peft import POSITIONS_FILE, read_peft, save_peft

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports are not ours
    import peft

MakeClip = Callable[..., transformers.CLIPModel]
Save = Callable[..., Path]


def random_pairs(width: int, layers: int, generator: torch.Generator) -> dict[int, LowRank]:
    def draw(*shape: int) -> Tensor:
        return 0.3 * torch.randn(shape, generator=generator)

    return {number: LowRank(draw(3, width), draw(3 * width, 3)) for number in range(layers)}


def features(model: Any, pixels: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    with torch.inference_mode():
        return model.get_image_features(pixels).pooler_output, model.get_text_features(ids).pooler_output


def ours(folder: Path, adapter: Path, pixels: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    adapted = read_checkpoint(folder).adapted(read_adapter(adapter))
    vision, text = build_vision(adapted), build_text(adapted)
    return vision(vision.embed(pixels)), text(ids)


@pytest.fixture
def pixels(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=generator)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_peft_loads_what_we_save(
    clip: MakeClip, save: Save, ids: Tensor, pixels: Tensor, tmp_path: Path, generator: torch.Generator
) -> None:
    model = clip()
    folder = save(model)
    before = features(model, pixels, ids)
    vision, text = random_pairs(48, 3, generator), random_pairs(40, 2, generator)
    save_peft(tmp_path / "adapter", vision, text, {1: torch.ones(4, 48)}, base_model="a-clip")
    adapted = peft.PeftModel.from_pretrained(model, str(tmp_path / "adapter")).eval()
    wanted = features(adapted.base_model.model, pixels, ids)
    assert not torch.allclose(wanted[0], before[0], atol=1e-2)
    for received, expected in zip(ours(folder, tmp_path / "adapter", pixels, ids), wanted, strict=True):
        torch.testing.assert_close(received, expected, atol=1e-4, rtol=1e-4)
    back = read_adapter(tmp_path / "adapter")
    assert back.digest == Adapter(vision, text, {1: torch.ones(4, 48)}).digest  # ours come back as they were


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["q_proj", "v_proj"], "r": 2, "lora_alpha": 6},
        {"target_modules": ["q_proj", "k_proj", "v_proj"], "r": 4, "lora_alpha": 4, "use_rslora": True},
        {"target_modules": r"vision_model.*\.[kv]_proj", "r": 1, "lora_alpha": 1},
    ],
)
def test_we_load_what_peft_saves(
    clip: MakeClip,
    save: Save,
    ids: Tensor,
    pixels: Tensor,
    tmp_path: Path,
    generator: torch.Generator,
    options: dict[str, Any],
) -> None:
    model = clip()
    folder = save(model)
    adapted = peft.get_peft_model(model, peft.LoraConfig(**options)).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    adapted.save_pretrained(str(tmp_path / "adapter"))
    wanted = features(adapted.base_model.model, pixels, ids)
    for received, expected in zip(ours(folder, tmp_path / "adapter", pixels, ids), wanted, strict=True):
        torch.testing.assert_close(received, expected, atol=1e-4, rtol=1e-4)


def test_what_peft_does_not_know_lies_beside(tmp_path: Path, generator: torch.Generator) -> None:
    settings = {"plan": {"frames": 8, "joins": [[1, 2]]}, "split": "clip"}
    for positions in ({}, {1: torch.ones(8, 48)}):
        adapter = Adapter(random_pairs(48, 3, generator), {}, positions, settings)
        save_as_peft(tmp_path, adapter, backbone="ab")
        back = read_adapter(tmp_path, backbone="ab")
        assert (back.digest, back.settings) == (adapter.digest, settings)
        with pytest.raises(CheckpointError, match=r"trained beside another model \(ab, expected cd\)"):
            read_adapter(tmp_path, backbone="cd")
    save_peft(tmp_path, adapter.vision, {})
    assert not read_adapter(tmp_path, backbone="cd").settings  # nothing of the one before is left


def test_clip_positions_lie_beside(tmp_path: Path, generator: torch.Generator) -> None:
    pairs = random_pairs(48, 3, generator)
    save_peft(tmp_path, pairs, {})
    assert not (tmp_path / POSITIONS_FILE).exists()
    assert read_peft(tmp_path)[1:] == ({}, {})
    save_peft(tmp_path, pairs, {}, {8: torch.ones(12, 48)})
    assert torch.equal(read_peft(tmp_path)[2][8], torch.ones(12, 48))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type must be LORA, received 'IA3'"),
        (
            {"use_dora": True, "alpha_pattern": {"q": 2}},
            "plain LoRA is read; this adapter has use_dora, alpha_pattern",
        ),
        (
            {"init_lora_weights": "pissa_niter_4"},
            "init_lora_weights 'pissa_niter_4' has changed the model's own",
        ),
        ({"init_lora_weights": "loftq"}, "convert it to plain LoRA in PEFT"),
    ],
)
def test_other_adapters_are_refused(
    tmp_path: Path, generator: torch.Generator, record: dict[str, Any], message: str
) -> None:
    save_peft(tmp_path, random_pairs(48, 1, generator), {})
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, **record}))
    with pytest.raises(CheckpointError, match=message):
        read_peft(tmp_path)


def test_what_cannot_be_saved_or_read_is_named(tmp_path: Path, generator: torch.Generator) -> None:
    with pytest.raises(CheckpointError, match="of one rank, received ranks none"):
        save_peft(tmp_path, {}, {})
    mixed = {**random_pairs(48, 1, generator), 1: LowRank(torch.zeros(2, 48), torch.zeros(144, 2))}
    with pytest.raises(CheckpointError, match=r"received ranks \[2, 3\]"):
        save_peft(tmp_path, mixed, {})
    save_peft(tmp_path, random_pairs(48, 1, generator), {})
    file = tmp_path / "adapter_model.safetensors"
    state = safetensors.torch.load_file(file)
    out = "base_model.model.vision_model.encoder.layers.0.self_attn.out_proj.lora_A.weight"
    safetensors.torch.save_file({**state, out: torch.zeros(3, 48)}, file)
    with pytest.raises(CheckpointError, match=r"only LoRA on a CLIP's q_proj, k_proj and v_proj .*out_proj"):
        read_peft(tmp_path)
    first = next(name for name in state if "lora_A" in name)
    safetensors.torch.save_file({name: value for name, value in state.items() if name != first}, file)
    with pytest.raises(CheckpointError, match="lora_A without lora_B, or the reverse"):
        read_peft(tmp_path)
