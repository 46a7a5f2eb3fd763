"""load_model: settings, devices and types, and errors that say what to do."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.linear import cpu_has_bfloat16
from vidskim.pipeline.load import load_model, torch_device, torch_dtype

FIXTURE = Path(__file__).parents[1] / "fixtures" / "residualvit_weights.safetensors"
CONFIG = {"heads": 4}


def test_auto_takes_the_fast_type_of_the_device() -> None:
    expected = torch.bfloat16 if cpu_has_bfloat16() else torch.float32
    assert torch_dtype("auto", torch.device("cpu")) == expected
    assert torch_dtype("auto", torch.device("cuda")) == torch.bfloat16
    assert torch_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_are_loaded_in_the_asked_type(clip_folder: Path, dtype: str) -> None:
    model = load_model(clip_folder, dtype=dtype, device="cpu")
    assert model.dtype == getattr(torch, dtype)
    assert model.text is not None
    assert model.text.positions.dtype == model.dtype


def test_the_fingerprint_ignores_type_and_knows_the_weights(clip_folder: Path, tmp_path: Path) -> None:
    one = load_model(clip_folder, dtype="float32", device="cpu").fingerprint
    assert one == load_model(clip_folder, dtype="bfloat16", device="cpu").fingerprint
    weights = clip_folder / "model.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if name.startswith("vision_model") and name.endswith("fc1.weight"))
    tensors[name][0, 0] += 1
    save_file(tensors, weights)
    other = load_model(clip_folder, dtype="float32", device="cpu").fingerprint
    assert other.weights != one.weights
    assert other.digest != one.digest


def test_the_residual_fingerprint_ignores_type_too() -> None:
    prints = [
        load_model(FIXTURE, method="residual", config=CONFIG, device="cpu", dtype=dtype).fingerprint
        for dtype in ("float32", "bfloat16")
    ]
    assert prints[0] == prints[1]
    assert "tokenizer" in prints[0].settings


def test_image_size_interpolates_positions(clip_folder: Path) -> None:
    model = load_model(clip_folder, image_size=48, dtype="float32", device="cpu")
    assert model.encode_pixels(torch.zeros(1, 3, 48, 48)).vectors.shape == (1, 16)
    assert model.preparation.size == 48


def test_residual_without_a_tokenizer_names_the_ways_out(clip_folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no residual tokenizer.*method='reuse'"):
        load_model(clip_folder, method="residual")


def test_a_deep_residual_tokenizer_is_read_from_the_checkpoint(tmp_path: Path) -> None:
    state = load_file(FIXTURE)
    generator = torch.Generator().manual_seed(0)
    state["projection_residual_feature.2.weight"] = torch.randn(64, 64, generator=generator)
    state["projection_residual_feature.2.bias"] = torch.randn(64, generator=generator)
    save_file(state, tmp_path / "deep.safetensors")
    deep = load_model(
        tmp_path / "deep.safetensors", method="residual", config=CONFIG, device="cpu", dtype="float32"
    )
    plain = load_model(FIXTURE, method="residual", config=CONFIG, device="cpu", dtype="float32")
    frames = torch.randn(3, 3, 112, 112, generator=generator)
    a, b = deep.encode_pixels(frames), plain.encode_pixels(frames)
    torch.testing.assert_close(a.vectors[0], b.vectors[0])
    assert not torch.allclose(a.vectors[1], b.vectors[1], atol=1e-3)
    assert a.macs == b.macs + 64 * 64  # one token for the I-frame, shared by both P-frames


def test_a_residual_tokenizer_of_another_width_is_named(tmp_path: Path) -> None:
    state = load_file(FIXTURE)
    state["projection_residual_feature.0.weight"] = torch.zeros(64, 48)
    save_file(state, tmp_path / "wrong.safetensors")
    with pytest.raises(CheckpointError, match=r"feature width 32, token width 64\): 0.weight"):
        load_model(tmp_path / "wrong.safetensors", method="residual", config=CONFIG)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "reuze"}, "Did you mean 'reuse'"),
        ({"method": "reuse", "keeep": 0.1}, "Did you mean 'keep'"),
        ({"dtype": "float8"}, "allowed: auto, bfloat16, float16, float32"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"image_size": 50}, "not a multiple of the patch side 8"),
    ],
)
def test_bad_options_are_named(clip_folder: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_model(clip_folder, **options)


def test_a_foreign_tokenizer_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    words = ["<|startoftext|>", "a</w>", "b</w>", "a", "b", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(
        CheckpointError, match=r"end token 5\) is not the text tower's \(64 tokens, end token 1\)"
    ):
        load_model(clip_folder, tokenizer=folder, device="cpu")


def test_the_residual_tokenizer_of_a_checkpoint_waits_for_its_method() -> None:
    full = load_model(FIXTURE, config=CONFIG, device="cpu", dtype=torch.float32)
    frames = torch.randn(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    switched = full.with_method("residual").encode_pixels(frames)
    model = load_model(FIXTURE, method="residual", config=CONFIG, device=torch.device("cpu"), dtype="float32")
    loaded = model.encode_pixels(frames)
    assert torch.equal(switched.vectors, loaded.vectors)
    assert switched.fingerprint == loaded.fingerprint


def test_the_fingerprint_knows_heads_activation_and_eps() -> None:
    configs = [{"heads": 4}, {"heads": 2}, {"heads": 4, "activation": "gelu"}, {"heads": 4, "eps": 1e-6}]
    prints = {load_model(FIXTURE, config=config, device="cpu").fingerprint.digest for config in configs}
    assert len(prints) == 4


def test_whole_numbers_and_floats_are_one_setting(clip_folder: Path) -> None:
    prints = [
        load_model(clip_folder, method="reuse", keep=keep, device="cpu").fingerprint for keep in (1, 1.0)
    ]
    assert prints[0].digest == prints[1].digest
