"""preprocessor_config.json as transformers writes it, and what holds without one."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from vidskim.errors import CheckpointError
from vidskim.models.layouts.preparation import find_preparation
from vidskim.video.prepare import Preparation


def find(folder: Path | None, family: str = "clip", trained: int = 224, **settings: Any) -> Preparation:
    return find_preparation(folder, family, trained, settings=settings)


def write(folder: Path, **record: Any) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(record))
    return folder


def test_without_a_file_the_familys_own(tmp_path: Path) -> None:
    assert find(None) == find(tmp_path) == Preparation.clip(size=224)
    assert find(None, trained=336) == Preparation.clip(size=336)
    assert find(None, "vit") == Preparation.imagenet(size=224, resize=256)
    assert find(None, "vit", 384) == Preparation.imagenet(size=384, resize=439)
    assert find(None, "dinov2", 518) == Preparation.imagenet(size=224, resize=256)


def test_what_transformers_writes(tmp_path: Path) -> None:
    processor = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 40}, crop_size=32, image_mean=[0.1, 0.2, 0.3]
    )
    processor.save_pretrained(tmp_path)
    preparation = find(tmp_path)
    assert (preparation.size, preparation.resize) == (32, 40)
    assert preparation.mean == (0.1, 0.2, 0.3)
    assert preparation.interpolation == "bicubic"


@pytest.mark.parametrize(
    ("record", "size", "resize"),
    [
        ({"size": 224, "crop_size": 224, "do_center_crop": True}, 224, 224),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}, 224, 256),
        ({"size": {"height": 224, "width": 224}}, 224, 224),
        ({"size": {"height": 256, "width": 256}, "crop_size": 224, "do_center_crop": False}, 256, 256),
        ({}, 224, 224),
    ],
)
def test_sizes_in_all_their_forms(tmp_path: Path, record: dict[str, Any], size: int, resize: int) -> None:
    preparation = find(write(tmp_path, **record))
    assert (preparation.size, preparation.resize) == (size, resize)


def test_bilinear_and_pixels_left_alone(tmp_path: Path) -> None:
    preparation = find(write(tmp_path, resample=2, do_normalize=False))
    assert preparation.interpolation == "bilinear"
    assert (preparation.mean, preparation.std) == ((0, 0, 0), (1, 1, 1))


def test_settings_win_over_the_file(tmp_path: Path) -> None:
    folder = write(tmp_path, size=256, crop_size=224, image_mean=[0.5, 0.5, 0.5])
    assert find(folder, image_size=448).resize == 512
    preparation = find(folder, image_size=448, resize=448, mean=[0, 0, 0])
    assert (preparation.size, preparation.resize, preparation.mean) == (448, 448, (0, 0, 0))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"size": {"longest_edge": 224}}, "expected a size such as 224 or {'shortest_edge': 224}"),
        ({"size": {"height": 224, "width": 336}}, "expected a size such as 224"),
        ({"resample": 9}, "resample must be one of [2, 3], received 9"),
        ({"image_mean": [0.5]}, "expected three numbers, one a channel, received [0.5]"),
    ],
)
def test_files_that_cannot_be_followed(tmp_path: Path, record: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        find(write(tmp_path, **record))
    assert words in str(caught.value)
    assert "preprocessor_config.json" in str(caught.value)


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read as JSON"):
        find(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="expected a JSON object, received list"):
        find(tmp_path)
