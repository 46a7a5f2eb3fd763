"""A Video Swin under other people's names gives the same logits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.models.swin_oracle import logits, mmaction_state, random_swin, stored_index
from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.models.swin_checkpoint import build_swin, is_swin, read_swin_checkpoint
from vidskim.models.swin_variants import SwinConfig

TINY = SwinConfig(width=8, depths=(2, 1, 3, 2), heads=(1, 2, 2, 4), window=(4, 3, 3), classes=5)


def torchvision_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """mmaction2's names turned into torchvision's."""
    renamed = {}
    for name, value in state.items():
        name = name.removeprefix("backbone.").replace("cls_head.fc_cls.", "head.")
        for stage in range(4):
            name = name.replace(f"layers.{stage}.blocks.", f"features.{2 * stage}.")
            name = name.replace(f"layers.{stage}.downsample.", f"features.{2 * stage + 1}.")
        renamed[name.replace("mlp.fc1.", "mlp.0.").replace("mlp.fc2.", "mlp.3.")] = value
    return renamed


def with_buffers(state: dict[str, Tensor], window: tuple[int, int, int]) -> dict[str, Tensor]:
    """As the published files are: each table has its index beside it."""
    index = stored_index(window)
    tables = [name for name in state if name.endswith("bias_table")]
    return state | {name.replace("bias_table", "index"): index.clone() for name in tables}


@pytest.fixture
def stored(generator: torch.Generator) -> dict[str, Tensor]:
    return mmaction_state(random_swin(TINY, generator))


def write(path: Path, state: dict[str, Tensor]) -> Path:
    save_file(state, path / "model.safetensors")
    return path / "model.safetensors"


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize("names", ["mmaction", "mmaction 1.x", "backbone", "torchvision"])
def test_logits_whatever_the_names(
    tmp_path: Path, stored: dict[str, Tensor], generator: torch.Generator, names: str, buffers: bool
) -> None:
    state = with_buffers(stored, TINY.window) if buffers else dict(stored)
    headless = names == "backbone"
    if headless:
        state = {n.removeprefix("backbone."): v for n, v in state.items() if not n.startswith("cls_head")}
    elif names == "mmaction 1.x":
        state = {n.replace("backbone.norm.", "backbone.norm3."): v for n, v in state.items()}
        state["data_preprocessor.mean"] = torch.zeros(3, 1, 1)
    elif names == "torchvision":
        state = torchvision_state(state)
    assert is_swin(state)
    checkpoint = read_swin_checkpoint(write(tmp_path, state))
    assert checkpoint.config == replace(TINY, classes=None if headless else 5)
    assert checkpoint.description == "swin w8 l2-1-3-2 h1-2-2-4 window 4x3x3 eps 1e-05"
    assert checkpoint.preparation.resize == (256 if names == "torchvision" else 224)
    model = build_swin(checkpoint)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    pixels = torch.randn(2, 3, 10, 40, 36, generator=generator)
    if headless:
        identity = {"cls_head.fc_cls.weight": torch.eye(64), "cls_head.fc_cls.bias": torch.zeros(64)}
        stored = stored | identity
    torch.testing.assert_close(model(pixels), logits(pixels, stored, TINY), atol=1e-5, rtol=1e-5)


def test_the_authors_pickled_file(tmp_path: Path, stored: dict[str, Tensor]) -> None:
    torch.save(
        {"meta": {"epoch": 30}, "state_dict": with_buffers(stored, TINY.window)}, tmp_path / "swin.pth"
    )
    save = write(tmp_path, torchvision_state(stored))
    pickled, renamed = (read_swin_checkpoint(path) for path in (tmp_path / "swin.pth", save))
    assert pickled.weights_hash == renamed.weights_hash


def test_a_buffer_of_another_window_is_refused(tmp_path: Path, stored: dict[str, Tensor]) -> None:
    state = with_buffers(stored, TINY.window)
    name = "backbone.layers.1.blocks.0.attn.relative_position_index"
    state[name] = state[name].T.contiguous()
    with pytest.raises(CheckpointError, match=rf"1 unexpected: {name} \(not of window \(4, 3, 3\)\)"):
        read_swin_checkpoint(write(tmp_path, state))


def test_a_window_that_is_given(tmp_path: Path, stored: dict[str, Tensor]) -> None:
    path = write(tmp_path, stored)
    assert read_swin_checkpoint(path, window=(3, 4, 3)).config.window == (3, 4, 3)
    with pytest.raises(
        ValueError, match=r"window \(8, 7, 7\) needs a bias table of 2535 rows, and .* has 175"
    ):
        read_swin_checkpoint(path, window=(8, 7, 7))


def test_what_does_not_fit_is_named(tmp_path: Path, stored: dict[str, Tensor]) -> None:
    state = dict(stored)
    del state["backbone.layers.2.blocks.1.norm1.bias"]
    state["backbone.layers.0.blocks.0.extra"] = torch.ones(1)
    with pytest.raises(
        CheckpointError, match=r"1 missing: backbone\.layers\.2.*1 unexpected: backbone\.layers\.0"
    ):
        read_swin_checkpoint(write(tmp_path, state))
    image = dict(stored)
    image["backbone.patch_embed.proj.weight"] = torch.ones(8, 3, 4, 4)
    with pytest.raises(CheckpointError, match="a Swin for images"):
        read_swin_checkpoint(write(tmp_path, image))
    short = {name: value for name, value in stored.items() if ".layers.3." not in name}
    with pytest.raises(CheckpointError, match=r"missing backbone\.layers\.3\.blocks\.0\.norm1\.weight"):
        read_swin_checkpoint(write(tmp_path, short))
    with pytest.raises(
        CheckpointError, match="no known layout of Video Swin has keys such as a; known: torch"
    ):
        read_swin_checkpoint(write(tmp_path, {"a": torch.ones(1)}))
    odd = dict(stored)
    for name in stored:
        if name.endswith("bias_table"):
            odd[name] = stored[name][:-1]
    with pytest.raises(CheckpointError, match="has 174 rows, which fit no window"):
        read_swin_checkpoint(write(tmp_path, odd))


def test_settings(tmp_path: Path, stored: dict[str, Tensor]) -> None:
    path = write(tmp_path, stored)
    checkpoint = read_swin_checkpoint(path, config={"eps": 1e-6, "image_size": 112})
    assert checkpoint.config.eps == 1e-6
    assert (checkpoint.preparation.size, checkpoint.preparation.resize) == (112, 112)
    with pytest.raises(ValueError, match=r"config\['heads'\] cannot be set for Video Swin"):
        read_swin_checkpoint(path, config={"heads": 4})
