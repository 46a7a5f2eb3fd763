"""What is read of a video classifier, what is refused, and what the refusal says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.checkpoint import read_checkpoint
from vidskim.models.recognition import read_video_checkpoint
from vidskim.video.prepare import IMAGENET_MEAN, IMAGENET_STD

FIXTURE = Path(__file__).parents[1] / "fixtures" / "sta"
Save = Callable[..., Path]


def make(**options: Any) -> transformers.VideoMAEForVideoClassification:
    sizes = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 80}
    shape = {"image_size": 24, "patch_size": 8, "num_frames": 8, "use_mean_pooling": True}
    return transformers.VideoMAEForVideoClassification(
        transformers.VideoMAEConfig(**{**sizes, **shape, **options})
    )


@pytest.fixture
def folder(save: Save) -> Path:
    return save(make(id2label={0: "walks", 1: "jumps", 2: "sleeps"}))


def edit_config(folder: Path, **changes: Any) -> None:
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**record, **changes}))


def authors_state() -> dict[str, Tensor]:
    return {
        name: value for part in sorted(FIXTURE.glob("model-*")) for name, value in load_file(part).items()
    }


def test_labels_and_preparation_come_from_the_folder(folder: Path) -> None:
    checkpoint = read_video_checkpoint(folder)
    assert checkpoint.labels == ("walks", "jumps", "sleeps")
    assert checkpoint.description == "videomae w48 l1 h4 p8x2 gelu eps 1e-12/1e-05"
    usual = checkpoint.preparation
    assert (usual.size, usual.resize, usual.interpolation) == (24, 24, "bilinear")
    assert (usual.mean, usual.std) == (IMAGENET_MEAN, IMAGENET_STD)
    record = {"size": {"shortest_edge": 32}, "crop_size": {"height": 24, "width": 24}, "do_center_crop": True}
    record |= {"resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
    (folder / "preprocessor_config.json").write_text(json.dumps(record))
    stated = read_video_checkpoint(folder).preparation
    assert (stated.size, stated.resize, stated.interpolation) == (24, 32, "bicubic")
    assert (stated.mean, stated.std) == ((0.5,) * 3, (0.25,) * 3)


def test_an_authors_file_says_neither_size_nor_labels() -> None:
    checkpoint = read_video_checkpoint(FIXTURE, config={"heads": 4})
    assert checkpoint.labels is None
    assert (checkpoint.config.image, checkpoint.preparation.size, checkpoint.config.frames) == (None, 224, 16)
    sized = read_video_checkpoint(FIXTURE, config={"heads": 4}, image_size=64)
    assert (sized.config.image, sized.preparation.size) == (64, 64)
    assert read_video_checkpoint(FIXTURE, config={"heads": 4, "eps": 1e-4}).config.head_eps == 1e-4


def test_key_biases_are_zero() -> None:
    state = read_video_checkpoint(FIXTURE, config={"heads": 4}).state
    q, k, v = state["blocks.2.attention.qkv.bias"].chunk(3)
    assert not k.any()
    assert q.any()
    assert v.any()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.pop("fc_norm.bias"), "1 missing: fc_norm.bias"),
        (lambda s: s.pop("head.weight"), "missing head.weight"),
        (lambda s: s.update({"cls_token": torch.zeros(64)}), "1 unexpected: cls_token"),
        (
            lambda s: s.update({"blocks.1.attn.v_bias": torch.zeros(63)}),
            r"blocks.1.attn.v_bias \(expected \[64\], received \[63\]\)",
        ),
        (lambda s: s["head.bias"].fill_(torch.nan), "with NaN or infinite values: head.bias"),
        (lambda s: s.update({"decoder.norm.weight": torch.ones(4)}), "a pre-trained VideoMAE.*fine-tuned"),
        (lambda s: s.pop("blocks.0.attn.qkv.weight"), "no known layout of a video classifier"),
    ],
)
def test_damaged_weights_are_named(
    tmp_path: Path, edit: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    state = authors_state()
    edit(state)
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=message):
        read_video_checkpoint(tmp_path / "x.safetensors", config={"heads": 4})


def test_a_kernel_that_is_not_square_is_refused(tmp_path: Path) -> None:
    state = authors_state()
    state["patch_embed.proj.weight"] = torch.zeros(64, 3, 2, 16, 8)
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"expected \[64, 3, 2, 8, 8\], received \[64, 3, 2, 16, 8\]"):
        read_video_checkpoint(tmp_path / "x.safetensors", config={"heads": 4})


def test_heads_must_be_known() -> None:
    with pytest.raises(CheckpointError, match=r"width 64 do not tell the number of heads; pass config="):
        read_video_checkpoint(FIXTURE)
    with pytest.raises(SettingsError, match="heads must divide the width 64, received 5"):
        read_video_checkpoint(FIXTURE, config={"heads": 5})


def test_the_converted_small_model_asks_for_its_heads(save: Save) -> None:
    folder = save(make(hidden_size=384, num_attention_heads=16))
    with pytest.raises(CheckpointError, match=r"says 16 heads.*trained with 6"):
        read_video_checkpoint(folder)
    for heads in (6, 16):
        assert read_video_checkpoint(folder, config={"heads": heads}).config.heads == heads


def test_the_authors_widths_tell_their_heads(tmp_path: Path) -> None:
    state = authors_state()
    wide = {"patch_embed.proj.weight": torch.zeros(1280, 3, 2, 16, 16)}
    save_file({**state, **wide}, tmp_path / "x.safetensors")
    with pytest.raises(
        CheckpointError, match="of another shape"
    ):  # 80 channels a head, and the rest is not wide
        read_video_checkpoint(tmp_path / "x.safetensors")


def test_another_image_size_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"fine-tuned on images of 24 pixels.*received 48"):
        read_video_checkpoint(folder, image_size=48)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id2label": {"0": "a", "2": "b"}}, "id2label must name the classes 0, 1, 2"),
        ({"id2label": {"0": "a", "1": "b"}}, "id2label names 2 classes, and the head has 3"),
        ({"num_frames": 0}, "num_frames must be a whole number above 0, received 0"),
        ({"model_type": "vivit"}, "model_type 'vivit' is not supported; supported: .*videomae"),
    ],
)
def test_a_damaged_config_is_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    edit_config(folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        read_video_checkpoint(folder)


def test_it_is_no_frame_model(folder: Path) -> None:
    for path in (folder, FIXTURE):
        with pytest.raises(CheckpointError, match="a video classifier, which has no frame features"):
            read_checkpoint(path, config={"heads": 4})
