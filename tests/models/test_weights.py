"""Files into tensors: wrappers, shards, and files that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vidskim.errors import CheckpointError
from vidskim.models.weights import hash_weights, read_weights

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


class Code:
    """Something a weights file has no business to hold."""


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_weights(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "wrapped",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "optimizer": {"lr": 1.0}},
        {"model": {"module": STATE}},
        {f"module.{name}": value for name, value in STATE.items()},
        {"state_dict": {f"module.model.{name}": value for name, value in STATE.items()}},
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_wrappers_come_off(tmp_path: Path, wrapped: dict[str, Any], suffix: str) -> None:
    torch.save(wrapped, tmp_path / f"weights{suffix}")
    state = read_weights(tmp_path / f"weights{suffix}")
    assert set(state) == set(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_only_the_subtree_of_a_state_dict_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file(
        {**{f"state_dict/{name}": value for name, value in STATE.items()}, "input": torch.ones(1)}, file
    )
    assert set(read_weights(file)) == set(STATE)


def test_a_prefix_stays_where_not_all_have_it(tmp_path: Path) -> None:
    save_file({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "x.safetensors")
    assert set(read_weights(tmp_path / "x.safetensors")) == {"module.a", "b"}


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "args": Code()}, tmp_path / "x.pt")
    message = refusal(tmp_path / "x.pt")
    assert "would need full unpickling, which can run any code and is never done here" in message
    assert "safetensors" in message


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "ViT-B-32.pt")
    message = refusal(tmp_path / "ViT-B-32.pt")
    assert "a TorchScript archive" in message
    assert "Hugging Face folder" in message
    assert "state_dict()" in message


@pytest.mark.parametrize(
    ("loaded", "words"),
    [
        (torch.ones(2), "expected a dictionary of tensors, received Tensor"),
        ({"state_dict": {}}, "expected a dictionary of tensors"),
        ({**STATE, "epoch": 3}, "these entries are not tensors: epoch"),
    ],
)
def test_things_that_are_no_state_dict(tmp_path: Path, loaded: object, words: str) -> None:
    torch.save(loaded, tmp_path / "x.pt")
    assert words in refusal(tmp_path / "x.pt")


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x00not weights")
    assert str(tmp_path / name) in refusal(tmp_path / name)


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "no such file or folder" in refusal(tmp_path / "absent")
    assert "looked for model.safetensors, " in refusal(tmp_path)
    (tmp_path / "x.ckpt").write_bytes(b"")
    assert ".safetensors, .pt, .pth, .bin" in refusal(tmp_path / "x.ckpt")
    save_file({}, tmp_path / "empty.safetensors")
    assert "holds no tensors" in refusal(tmp_path / "empty.safetensors")


def test_shards_that_are_absent_or_elsewhere(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    save_file({"a": torch.ones(1)}, tmp_path / "one.safetensors")
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    assert "1 of 2 shards are absent: two.safetensors" in refusal(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "../one.safetensors"}}))
    assert "shards must lie beside the index" in refusal(tmp_path)
    for broken in ("[]", "{}", "{", '{"weight_map": 3}'):
        index.write_text(broken)
        assert "not an index of shards" in refusal(tmp_path)


def test_the_hash_sees_names_shapes_types_and_values() -> None:
    base = hash_weights(STATE)
    assert base == hash_weights(dict(reversed(STATE.items())))
    assert base == hash_weights({**STATE, "a.weight": STATE["a.weight"].T.contiguous().T})
    others = [
        {"b.weight": STATE["a.weight"], "a.bias": STATE["a.bias"]},
        {**STATE, "a.weight": STATE["a.weight"].view(3, 2)},
        {**STATE, "a.bias": STATE["a.bias"].bfloat16()},
        {**STATE, "a.bias": torch.tensor([1.0, 2.0])},
    ]
    assert len({base, *map(hash_weights, others)}) == 5


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_are_mapped_and_not_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    torch.save(STATE, path) if suffix == ".pt" else save_file(STATE, path)
    state = read_weights(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert not any(bool(value.any()) for value in state.values())  # read only now
