"""An adapter's file: small, exact, and bound to the model it was trained beside."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
import transformers

from vidskim.errors import CheckpointError
from vidskim.models.adapter import FORMAT, Adapter, read_adapter, save_adapter, save_as_peft
from vidskim.models.checkpoint import read_checkpoint
from vidskim.models.lora import LowRank
from vidskim.tokens.clip_plan import PRESETS

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tempme"


def make(*, width: int = 48, text_width: int = 40, rank: int = 2) -> Adapter:
    generator = torch.Generator().manual_seed(0)

    def pair(d: int) -> LowRank:
        return LowRank(
            torch.randn(rank, d, generator=generator), torch.randn(3 * d, rank, generator=generator)
        )

    positions = {8: torch.randn(12, width, generator=generator)}
    return Adapter(
        {n: pair(width) for n in range(3)},
        {n: pair(text_width) for n in range(2)},
        positions,
        {"plan": PRESETS["b32-12f"].to_record(), "split": "clip"},
    )


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    adapter, file = make(), tmp_path / "adapter.safetensors"
    save_adapter(file, adapter, backbone="abc", notes={"recipe": "by hand"})
    back = read_adapter(file, backbone="abc")
    assert (back.digest, back.settings) == (adapter.digest, adapter.settings)
    assert torch.equal(back.positions[8], adapter.positions[8])
    assert torch.equal(back.text[1].up, adapter.text[1].up)
    assert read_adapter(file).digest == adapter.digest  # who asks for no model gets it too
    with pytest.raises(CheckpointError, match=r"trained beside another model \(abc, expected abd\)"):
        read_adapter(file, backbone="abd")


def test_a_file_knows_what_the_weights_do_not_tell(tmp_path: Path) -> None:
    file = tmp_path / "adapter.safetensors"
    config = {"heads": 2, "activation": "gelu", "mean": [0.1, 0.2, 0.3], "image_size": 32}
    for save in (partial(save_adapter, file), partial(save_as_peft, tmp_path)):
        save(replace(make(), words=24), backbone="abc", config=config)
        path = file if save.func is save_adapter else tmp_path
        assert read_adapter(path, config={**config, "image_size": 48}).words == 24  # sizes may be others
        with pytest.raises(
            CheckpointError, match=r"activation was 'gelu', is 'quick_gelu'\. Load it with the config"
        ):
            read_adapter(path, config={**config, "activation": "quick_gelu"})
    save_adapter(file, make(), backbone="abc")  # as older files are
    assert read_adapter(file, config=config).words is None
    for note in ({"config": "3"}, {"config": "{"}, {"words": '"some"'}, {"words": "0"}):
        header = {"format": FORMAT, "backbone": "x", **note}
        safetensors.torch.save_file(make().to_state(), file, metadata=header)
        with pytest.raises(CheckpointError, match="its header names"):
            read_adapter(file, config=config)


def test_two_megabytes_for_clip_b32(tmp_path: Path) -> None:
    """What is trained of the paper's model: 507,648 numbers."""

    def pair(d: int) -> LowRank:
        return LowRank(torch.zeros(8, d), torch.zeros(3 * d, 8))

    positions = {8: torch.zeros(12, 768), 9: torch.zeros(6, 768), 10: torch.zeros(3, 768)}
    adapter = Adapter({n: pair(768) for n in range(12)}, {n: pair(512) for n in range(12)}, positions)
    assert sum(value.numel() for value in adapter.to_state().values()) == 507_648
    save_adapter(tmp_path / "a.safetensors", adapter, backbone="x" * 64)
    assert 2.03e6 < (tmp_path / "a.safetensors").stat().st_size < 2.05e6


def test_adapting_a_checkpoint(
    clip: Callable[..., transformers.CLIPModel], save: Callable[..., Path], tmp_path: Path
) -> None:
    plain, adapter = read_checkpoint(save(clip())), make()
    adapted = plain.adapted(adapter)
    name = "blocks.1.attention.qkv.weight"
    pair = adapter.vision[1]
    torch.testing.assert_close(adapted.vision_state[name], plain.vision_state[name] + pair.up @ pair.down)
    assert adapted.adapter is adapter
    assert len({plain.weights_hash, adapted.weights_hash, plain.adapted(make(rank=3)).weights_hash}) == 3
    save_adapter(tmp_path / "a.safetensors", adapter, backbone=plain.backbone)
    assert plain.adapted(read_adapter(tmp_path / "a.safetensors", backbone=plain.backbone)).weights_hash == (
        adapted.weights_hash
    )
    with pytest.raises(CheckpointError, match="has an adapter inside; another one goes with the plain model"):
        adapted.adapted(adapter)
    with pytest.raises(CheckpointError, match="the adapter's LoRA of block 0 has shapes"):
        plain.adapted(make(width=40))


def test_a_text_adapter_needs_a_text_tower(save: Callable[..., Path]) -> None:
    config = transformers.CLIPVisionConfig(
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    vision_only = read_checkpoint(save(transformers.CLIPVisionModelWithProjection(config)))
    with pytest.raises(CheckpointError, match=r"LoRA of a text tower, which this checkpoint .* lacks"):
        vision_only.adapted(make())
    adapter = make()
    assert vision_only.adapted(Adapter(adapter.vision, {})).adapter is not None


def test_an_authors_checkpoint_is_an_adapter_too(tmp_path: Path) -> None:
    adapter = read_adapter(FIXTURE)
    inside = read_checkpoint(FIXTURE).adapter
    assert inside is not None
    assert adapter.digest == inside.digest
    assert {n: list(table.shape) for n, table in adapter.positions.items()} == {
        2: [12, 128],
        3: [6, 128],
        4: [3, 128],
    }
    assert (len(adapter.vision), len(adapter.text), adapter.settings) == (6, 2, {})
    save_adapter(tmp_path / "a.safetensors", adapter, backbone="x")
    assert read_adapter(tmp_path / "a.safetensors").digest == adapter.digest


def test_files_that_are_no_adapter_are_named(tmp_path: Path) -> None:
    file, state = tmp_path / "a.safetensors", make().to_state()
    with pytest.raises(CheckpointError, match="no such file"):
        read_adapter(file)
    safetensors.torch.save_file(state, file)
    with pytest.raises(
        CheckpointError, match="not an adapter; expected a file that vidskim trained, a folder with"
    ):
        read_adapter(file)
    header = {"format": FORMAT, "backbone": "x"}
    safetensors.torch.save_file({**state, "vision.blocks.1.gate": torch.ones(1)}, file, metadata=header)
    with pytest.raises(CheckpointError, match=r"unknown vision.blocks.1.gate; without down or up nothing"):
        read_adapter(file)
    del state["text.blocks.1.up"]
    safetensors.torch.save_file(state, file, metadata=header)
    with pytest.raises(CheckpointError, match=r"without down or up text.blocks.1"):
        read_adapter(file)
    for settings in ("{", "3", json.dumps({"plan": {"frames": 3}})):
        safetensors.torch.save_file(make().to_state(), file, metadata={**header, "settings": settings})
        with pytest.raises(CheckpointError, match="its header names settings that are none"):
            read_adapter(file)
    file.write_bytes(b"\x00" * 64)
    with pytest.raises(CheckpointError, match="not a safetensors file, or cut short"):
        read_adapter(file)
