"""Checkpoints of Video Swin in: a configuration and tensors under the trunk's names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.checkpoint import fill
from vidskim.models.layouts.layout import Layout, Problems, find_unexpected, stored_names, translate
from vidskim.models.layouts.preparation import find_preparation
from vidskim.models.layouts.stated import check_config
from vidskim.models.layouts.swin import (
    MMACTION_SWIN,
    TORCHVISION_SWIN,
    measure_swin,
    position_indexes,
    windows_of,
)
from vidskim.models.swin import VideoSwin
from vidskim.models.swin_variants import Size, SwinConfig
from vidskim.models.weights import hash_weights, read_weights
from vidskim.models.window import relative_index
from vidskim.video.prepare import Preparation
from vidskim.video.views import Views

LAYOUTS = (TORCHVISION_SWIN, MMACTION_SWIN)  # told apart by one key each, in this order
SIDE = 224  # of an image; any other runs too
CONFIG = ("eps", "image_size", "resize", "mean", "std")
_TOLD_BY = {
    "width": "patch.weight",
    "depths": "stages.3.blocks.0.norm1.weight",
    "expansion": "stages.0.blocks.0.mlp.fc1.weight",
}


@dataclass(frozen=True)
class SwinCheckpoint:
    """A Video Swin as read, under the trunk's names.

    Args:
        config: its numbers.
        state: tensors of `VideoSwin`, in the stored type.
        preparation: what to do to a frame first.
        weights_hash: sha256 (hex) of the tensors, the same whatever the layout was.
        description: such as "swin w96 l2-2-6-2 h3-6-12-24 window 8x7x7 eps 1e-05".
        labels: names of the classes, which these files do not have.
        views: which frames its clips had in training, which they do not tell.
    """

    config: SwinConfig
    state: dict[str, Tensor] = field(repr=False)
    preparation: Preparation
    weights_hash: str
    description: str
    labels: tuple[str, ...] | None = None
    views: Views | None = None


def is_swin(state: Mapping[str, Tensor]) -> bool:
    """Whether these are a Swin's weights, by whatever names."""
    return any(layout.signature in layout.normalise(state) for layout in LAYOUTS)


def read_swin_checkpoint(
    path: Path,
    *,
    window: Size | None = None,
    config: Mapping[str, object] | None = None,
    image_size: int | None = None,
    state: dict[str, Tensor] | None = None,
) -> SwinCheckpoint:
    """Read a Video Swin, as mmaction2 and its authors or as torchvision store it.

    Args:
        path: a weights file, or a folder with one.
        window: the constructed window, where the bias table fits several; (8, 7, 7) and (16, 7, 7) are recognised.
        config: what the files do not say; wins over what is usual. Keys: eps, image_size, resize, mean, std.
        image_size: side of the images in pixels; any will do.
        state: what `read_weights(path)` gave, if it was called already.

    Raises:
        CheckpointError: the file is missing, damaged, of no known layout, or keys do not fit.
        SettingsError: unknown or invalid `config`, or a window that does not fit the bias table.
    """
    path = Path(path)
    settings = _check_settings(
        {**(config or {}), **({} if image_size is None else {"image_size": image_size})}
    )
    layout, named = _find_layout(read_weights(path) if state is None else state, path)
    built = _configure(named, layout, settings, window=window, path=path)
    problems = Problems()
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in VideoSwin(built).state_dict().items()}
    tensors, used = translate(named, shapes, layout=layout, names=layout.vision, problems=problems)
    problems.unexpected = find_unexpected(named, used, layout.ignored)
    problems.unexpected += [
        f"{name} (not of window {built.window})"
        for name, value in position_indexes(named)
        if not torch.equal(value.flatten(), relative_index(built.window).flatten())
    ]
    if str(problems):
        raise CheckpointError(f"{path}: not a {layout.name} checkpoint as described: {problems}")
    if not {"image_size", "resize"} & settings.keys():
        settings = {**settings, "resize": layout.defaults["resize"]}
    return SwinCheckpoint(
        config=built,
        state=tensors,
        preparation=find_preparation(None, layout.family, SIDE, settings=settings),
        weights_hash=hash_weights(tensors),
        description=describe_swin(built),
    )


def build_swin(checkpoint: SwinCheckpoint, *, dtype: torch.dtype = torch.float32) -> VideoSwin:
    """The model with its weights, for inference: eval mode, no gradients."""
    with torch.device("meta"):
        model = VideoSwin(checkpoint.config)
    return fill(model, checkpoint.state, dtype)


def describe_swin(config: SwinConfig) -> str:
    """What the function is besides its weights, such as "swin w96 l2-2-6-2 h3-6-12-24 window 8x7x7 eps 1e-05"."""
    layers, heads = ("-".join(map(str, counts)) for counts in (config.depths, config.heads))
    window = "x".join(map(str, config.window))
    return f"swin w{config.width} l{layers} h{heads} window {window} eps {config.eps:g}"


def _check_settings(config: Mapping[str, object]) -> dict[str, Any]:
    settings = check_config(config)
    if told := sorted(settings.keys() - set(CONFIG)):
        raise SettingsError(
            f"config[{told[0]!r}] cannot be set for Video Swin, its weights tell; allowed: {', '.join(CONFIG)}"
        )
    return settings


def _find_layout(state: dict[str, Tensor], path: Path) -> tuple[Layout, dict[str, Tensor]]:
    for layout in LAYOUTS:
        named = layout.normalise(state)
        if layout.signature in named:
            return layout, named
    raise CheckpointError(
        f"{path}: no known layout of Video Swin has keys such as {', '.join(sorted(state)[:5])}; "
        f"known: {', '.join(layout.name for layout in LAYOUTS)}"
    )


def _configure(
    state: Mapping[str, Tensor],
    layout: Layout,
    settings: Mapping[str, Any],
    *,
    window: Size | None,
    path: Path,
) -> SwinConfig:
    """Everything known, joined."""
    facts = measure_swin(state, layout)
    (patch,) = stored_names(layout.vision, "patch.weight")
    if patch in state and state[patch].dim() == 4:
        raise CheckpointError(
            f"{path}: a Swin for images ({patch} has 4 dimensions); Video Swin's patches span frames too"
        )
    if unknown := [stored_names(layout.vision, _TOLD_BY[name])[0] for name in _TOLD_BY if name not in facts]:
        raise CheckpointError(f"{path}: missing {', '.join(unknown)}")
    facts |= {"window": _find_window(state, layout, window, path), "eps": layout.defaults["eps"]}
    facts |= {name: settings[name] for name in ("eps",) if name in settings}
    return SwinConfig(**facts)  # type: ignore[arg-type]


def _find_window(state: Mapping[str, Tensor], layout: Layout, window: Size | None, path: Path) -> Size:
    (table,) = stored_names(layout.vision, "stages.0.blocks.0.attention.bias_table")
    rows = state[table].shape[0]
    if window is not None:
        needed = (2 * window[0] - 1) * (2 * window[1] - 1) * (2 * window[2] - 1)
        if needed != rows:
            raise SettingsError(
                f"window {window} needs a bias table of {needed} rows, and {table} has {rows}"
            )
        return window
    index = next((value for _, value in position_indexes(state)), None)
    places = None if index is None else round(index.numel() ** 0.5)
    if not (windows := windows_of(rows, places)):
        raise CheckpointError(f"{path}: {table} has {rows} rows, which fit no window that is square in space")
    return windows[0]
