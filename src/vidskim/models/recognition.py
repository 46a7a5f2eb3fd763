"""Checkpoints of video classifiers in: out come a configuration, tensors under the trunk's names, and labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.checkpoint import fill
from vidskim.models.layouts.layout import Layout, Problems, find_unexpected, stored_names, translate
from vidskim.models.layouts.measure import measure_video
from vidskim.models.layouts.preparation import find_preparation
from vidskim.models.layouts.stated import Stated, check_config, read_stated
from vidskim.models.layouts.videomae import HF_HEAD_EPS, HF_VIDEOMAE, VIDEOMAE
from vidskim.models.variants import VIDEOMAE_SIZES, VideoVitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.models.weights import hash_weights, read_weights
from vidskim.video.prepare import Preparation
from vidskim.video.views import Views

LAYOUTS = (HF_VIDEOMAE, VIDEOMAE)  # told apart by one key each, in this order
FRAMES, SIDE = 16, 224  # of a clip, where nobody says
_HEADS = {width: heads for width, _, heads in VIDEOMAE_SIZES.values()}
_MEASURED = {
    "width": "patch.weight",
    "hidden": "blocks.0.mlp.fc1.weight",
    "layers": "blocks.0.norm1.weight",
    "classes": "head.weight",
}


@dataclass(frozen=True)
class VideoCheckpoint:
    """A video classifier as read, under the trunk's names.

    Args:
        config: its numbers.
        state: tensors of `VideoTransformer`, in the stored type.
        labels: names of the classes, or None.
        preparation: what to do to a frame first.
        weights_hash: sha256 (hex) of the tensors, the same whatever the layout was.
        description: such as "videomae w768 l12 h12 p16x2 gelu eps 1e-06/1e-06".
        views: which frames its clips had in training, or None.
    """

    config: VideoVitConfig
    state: dict[str, Tensor] = field(repr=False)
    labels: tuple[str, ...] | None = field(repr=False)
    preparation: Preparation
    weights_hash: str
    description: str
    views: Views | None = None


def read_video_checkpoint(
    path: Path,
    *,
    config: Mapping[str, object] | None = None,
    image_size: int | None = None,
    state: dict[str, Tensor] | None = None,
) -> VideoCheckpoint:
    """Read a fine-tuned VideoMAE, as a Hugging Face folder or its authors' file.

    Args:
        path: the folder or the file.
        config: what the files do not say; wins over them. Keys as `read_checkpoint`'s.
        image_size: side of the images in pixels, where the checkpoint does not say it.
        state: what `read_weights(path)` gave, if it was called already.

    Raises:
        CheckpointError: the files are missing, damaged, of no known layout, or keys do not fit.
        SettingsError: unknown or invalid `config`, or images of another size than the model's.
    """
    path = Path(path)
    settings = check_config({**(config or {}), **({} if image_size is None else {"image_size": image_size})})
    stored = read_weights(path) if state is None else state
    layout, named = _find_layout(stored, path)
    folder = path if path.is_dir() else path.parent if layout is HF_VIDEOMAE else None
    stated = Stated() if folder is None else read_stated(folder)
    built = _configure(named, layout, stated, settings, path=path, pool=_pool(stored))
    problems = Problems()
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in VideoTransformer(built).state_dict().items()}
    tensors, used = translate(named, shapes, layout=layout, names=layout.vision, problems=problems)
    problems.unexpected = find_unexpected(named, used, layout.ignored)
    if str(problems):
        raise CheckpointError(f"{path}: not a {layout.name} checkpoint as described: {problems}")
    if stated.labels is not None and len(stated.labels) != built.classes:
        raise CheckpointError(
            f"{path}: id2label names {len(stated.labels)} classes, and the head has {built.classes}"
        )
    return VideoCheckpoint(
        config=built,
        state=tensors,
        labels=stated.labels,
        preparation=find_preparation(folder, layout.family, built.image or SIDE, settings=settings),
        weights_hash=hash_weights(tensors),
        description=describe_video(layout.family, built),
        views=stated.views,
    )


def build_video(checkpoint: VideoCheckpoint, *, dtype: torch.dtype = torch.float32) -> VideoTransformer:
    """The classifier with its weights, for inference: eval mode, no gradients."""
    with torch.device("meta"):
        model = VideoTransformer(checkpoint.config)
    return fill(model, checkpoint.state, dtype)


def describe_video(family: str, config: VideoVitConfig) -> str:
    """What the function is besides its weights, such as "videomae w768 l12 h12 p16x2 gelu eps 1e-06/1e-06"."""
    sizes = f"w{config.width} l{config.layers} h{config.heads} p{config.patch}x{config.tubelet}"
    first = " first token" if config.pool == "first" else ""
    return f"{family} {sizes}{first} {config.activation} eps {config.eps:g}/{config.head_eps:g}"


def _find_layout(state: dict[str, Tensor], path: Path) -> tuple[Layout, dict[str, Tensor]]:
    if key := next((name for name in state if name.startswith(("decoder.", "encoder_to_decoder."))), None):
        raise CheckpointError(
            f"{path}: a pre-trained VideoMAE, which has a decoder and no classes (found {key!r}); "
            "fine-tune it with `vidskim train recognition --model`, or use a fine-tuned one"
        )
    for layout in LAYOUTS:
        named = layout.normalise(state)
        if layout.signature in named:
            return layout, named
    raise CheckpointError(
        f"{path}: no known layout of a video classifier has keys such as {', '.join(sorted(state)[:5])}; "
        f"known: {', '.join(layout.name for layout in LAYOUTS)}"
    )


def _pool(state: Mapping[str, Tensor]) -> str:
    """A model that pools has its own norm for the mean; the others use the trunk's last one."""
    return "mean" if any(name.endswith("fc_norm.weight") for name in state) else "first"


def _configure(
    state: Mapping[str, Tensor],
    layout: Layout,
    stated: Stated,
    settings: Mapping[str, Any],
    *,
    path: Path,
    pool: str,
) -> VideoVitConfig:
    """Everything known, joined."""
    given = {name: settings[name] for name in ("heads", "activation", "eps") if name in settings}
    facts: dict[str, Any] = {"frames": FRAMES, "image": None, "pool": pool}
    facts |= {**measure_video(state, layout), **layout.defaults, **stated.vision, **given}
    if unknown := [
        stored_names(layout.vision, _MEASURED[name])[0] for name in _MEASURED if name not in facts
    ]:
        raise CheckpointError(f"{path}: missing {', '.join(unknown)}")
    side = settings.get("image_size", facts["image"])
    if facts["image"] not in (None, side):
        raise SettingsError(
            f"this model was fine-tuned on images of {facts['image']} pixels and has a fixed position table; "
            f"image_size must be that, received {side}"
        )
    pools_apart = layout is HF_VIDEOMAE and pool == "mean"
    facts |= {"image": side, "head_eps": HF_HEAD_EPS if pools_apart else facts["eps"]}
    return VideoVitConfig(**{**facts, "heads": _heads(facts, stated, settings, path)})


def _heads(facts: Mapping[str, Any], stated: Stated, settings: Mapping[str, Any], path: Path) -> int:
    """As given, as stated, or VideoMAE's at this width; weights do not tell.

    Source: Hugging Face's conversion wrote 16 heads for the small model, which was trained with 6.
    """
    width, heads = facts["width"], facts.get("heads", _HEADS.get(facts["width"]))
    if heads is None:
        raise CheckpointError(
            f"{path}: weights of width {width} do not tell the number of heads; pass config={{'heads': ...}}"
        )
    if "heads" not in settings and width == 384 and heads == 16:
        raise CheckpointError(
            f"{path}: config.json says 16 heads, and VideoMAE's small model was trained with 6 (an error of the "
            "conversion); pass config={'heads': 6}, or 16 if you trained it so"
        )
    if width % heads:
        error = SettingsError if "heads" in settings else CheckpointError
        raise error(f"{path}: heads must divide the width {width}, received {heads}")
    return int(heads)
