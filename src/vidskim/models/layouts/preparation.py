"""How a checkpoint wants its pixels: preprocessor_config.json, or the family's usual preparation."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidskim.errors import CheckpointError
from vidskim.models.layouts.stated import OPEN_CLIP_FILE, read_json
from vidskim.video.prepare import Preparation

FILE = "preprocessor_config.json"
DINOV2_SIZE = 224  # what it is used at; its position table is trained at 518
RESAMPLE = {2: "bilinear", 3: "bicubic"}  # Pillow's codes
RESAMPLE_CODE = {name: code for code, name in RESAMPLE.items()}


def find_preparation(
    folder: Path | None, family: str, trained: int, *, settings: Mapping[str, Any]
) -> Preparation:
    """The preparation to use.

    Args:
        folder: where preprocessor_config.json may lie, or None.
        family: "clip", "vit", "dinov2", "videomae" or "swin".
        trained: side of the images the position table is for.
        settings: checked `config`: image_size, resize, mean, std win over the file. With image_size alone the resize
            keeps its proportion to the crop.
    """
    usual = _usual(family, min(trained, DINOV2_SIZE) if family == "dinov2" else trained)
    preparation = usual if folder is None else _from_folder(folder, usual)
    size = settings.get("image_size", preparation.size)
    wanted: dict[str, Any] = {"size": size, "resize": round(preparation.resize * size / preparation.size)}
    wanted |= {name: tuple(map(float, settings[name])) for name in ("mean", "std") if name in settings}
    wanted |= {name: settings[name] for name in ("resize",) if name in settings}
    return replace(preparation, **wanted)


def _usual(family: str, size: int) -> Preparation:
    if family == "clip":
        return Preparation.clip(size=size)
    if family in ("videomae", "swin"):
        return replace(Preparation.imagenet(size=size, resize=size), interpolation="bilinear")
    return Preparation.imagenet(size=size, resize=round(size * 256 / 224))


def _from_folder(folder: Path, usual: Preparation) -> Preparation:
    if (folder / FILE).is_file():
        return _read(folder / FILE, usual)
    if (folder / OPEN_CLIP_FILE).is_file():
        path = folder / OPEN_CLIP_FILE
        record = read_json(path).get("preprocess_cfg", {})
        mean, std = record.get("mean", usual.mean), record.get("std", usual.std)
        return replace(usual, mean=_three(mean, path), std=_three(std, path))
    if (path := folder / "config.json").is_file() and (record := read_json(path).get("pretrained_cfg")):
        size = _side(record.get("input_size", [usual.size])[-1], path)  # timm
        return replace(
            usual,
            size=size,
            resize=max(size, int(size / record.get("crop_pct", 0.875))),
            mean=_three(record.get("mean", usual.mean), path),
            std=_three(record.get("std", usual.std), path),
            interpolation=record.get("interpolation", usual.interpolation),
        )
    return usual


def _read(path: Path, usual: Preparation) -> Preparation:
    """Crop and resize: {"shortest_edge": 256} with crop_size 224, or one size for both.

    A file that squeezes frames to a square (ViT's) is read as resize and centre crop: nothing is distorted here.
    """
    record = read_json(path)
    resize = _side(record.get("size", usual.resize), path)
    size = resize
    if record.get("do_center_crop", "crop_size" in record) and "crop_size" in record:
        size = _side(record["crop_size"], path)
    mean, std = record.get("image_mean", usual.mean), record.get("image_std", usual.std)
    if record.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    code = record.get("resample", RESAMPLE_CODE[usual.interpolation])
    if code not in RESAMPLE:
        raise CheckpointError(f"{path}: resample must be one of {sorted(RESAMPLE)}, received {code!r}")
    return replace(
        usual,
        size=size,
        resize=max(resize, size),
        mean=_three(mean, path),
        std=_three(std, path),
        interpolation=RESAMPLE[code],
    )


def _side(value: object, path: Path) -> int:
    """224, {"shortest_edge": 224} or {"height": 224, "width": 224}."""
    if isinstance(value, Mapping):
        sides = {value[name] for name in ("shortest_edge", "height", "width") if name in value}
        value = sides.pop() if len(sides) == 1 else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CheckpointError(
            f"{path}: expected a size such as 224 or {{'shortest_edge': 224}}, received {value!r}"
        )
    return value


def _three(value: object, path: Path) -> tuple[float, float, float]:
    if (
        not isinstance(value, list | tuple)
        or len(value) != 3
        or not all(isinstance(v, float | int) for v in value)
    ):
        raise CheckpointError(f"{path}: expected three numbers, one a channel, received {value!r}")
    return float(value[0]), float(value[1]), float(value[2])
