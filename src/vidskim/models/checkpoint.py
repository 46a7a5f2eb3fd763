"""Checkpoints in: whatever names a file uses inside, out come configurations and tensors under the trunk's names."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.adapter import Adapter
from vidskim.models.layouts.clip import HF_CLIP, OPENAI, OPENAI_RESIDUAL
from vidskim.models.layouts.configure import configure_text, configure_vision, record_config
from vidskim.models.layouts.layout import Layout, Problems, find_unexpected, is_finite, translate
from vidskim.models.layouts.measure import (
    complete_positions,
    measure_text,
    measure_vision,
    reads_video,
)
from vidskim.models.layouts.preparation import find_preparation
from vidskim.models.layouts.stated import MODEL_TYPES, VIDEO_TYPE, Stated, check_config, read_stated
from vidskim.models.layouts.tempme import read_authors
from vidskim.models.layouts.vit import HF_DINOV2, HF_VIT, TIMM_DINOV2, TIMM_VIT
from vidskim.models.lora import fold_lora
from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import has_tokenizer
from vidskim.models.variants import TextConfig, VitConfig, resize_positions
from vidskim.models.vit import VisionTransformer
from vidskim.models.weights import hash_weights, read_weights
from vidskim.video.prepare import Preparation

Trunk = TypeVar("Trunk", bound=nn.Module)

# Told apart by one key each, in this order.
LAYOUTS = (HF_CLIP, OPENAI, HF_VIT, HF_DINOV2, TIMM_DINOV2, TIMM_VIT)

# Models that look like ours and are not: pattern of a key, and what to say.
REFUSED = {
    "visual.trunk.*": "an open_clip model around a timm image tower; use its Hugging Face CLIP version if there is one",
    "visual.layer1.*": "a ResNet CLIP; only vision transformers are supported",
    "visual.attn_pool.*": "attentional pooling (CoCa) is not supported",
    "*dist_token": "DeiT with a distillation token is not supported; use the plain DeiT weights",
    "*distillation_token": "DeiT with a distillation token is not supported; use the plain DeiT weights",
    "*.mlp.w12.*": "SwiGLU blocks (DINOv2 giant) are not supported",
    "*.mlp.weights_in.*": "SwiGLU blocks (DINOv2 giant) are not supported",
    "fc_norm.*": "a ViT that pools patches by their mean is not supported; the class token must be the feature",
}


@dataclass(frozen=True)
class Checkpoint:
    """A model as read, under the trunk's names.

    Args:
        family: "clip", "vit" or "dinov2".
        vision: the vision tower, its `image` being the preparation's size.
        vision_state: tensors of `VisionTransformer`, in the stored type; positions already resized.
        text: the text tower, or None.
        text_state: tensors of `TextTransformer`, or None.
        tokenizer_dir: folder with the tokenizer's files, or None.
        residual_state: ResidualViT's residual tokenizer as "0.weight", "0.bias", "2.weight" ..., or None.
        preparation: what to do to a frame first.
        weights_hash: sha256 (hex) of the vision tower as stored, the same whatever the layout was; with an adapter of
            both.
        logit_scale: the logarithm CLIP stores, or None.
        description: such as "clip-vit w768 l12 h12 p32 i224 quick_gelu eps 1e-05".
        adapter: what was trained beside the weights and is now inside them, or None.
    """

    family: str
    vision: VitConfig
    vision_state: dict[str, Tensor] = field(repr=False)
    text: TextConfig | None
    text_state: dict[str, Tensor] | None = field(repr=False)
    tokenizer_dir: Path | None
    residual_state: dict[str, Tensor] | None = field(repr=False)
    preparation: Preparation
    weights_hash: str
    logit_scale: float | None
    description: str
    adapter: Adapter | None = None

    @property
    def backbone(self) -> str:
        """sha256 (hex) of both towers: what an adapter belongs to."""
        text = "" if self.text_state is None else hash_weights(self.text_state)
        return _digest(self.weights_hash, text)

    @property
    def config(self) -> dict[str, object]:
        """What the model is beside its weights, such as heads and activation: plain JSON values."""
        return record_config(self.vision, self.text, self.preparation)

    def adapted(self, adapter: Adapter) -> "Checkpoint":
        """The same model with an adapter's LoRA inside the weights.

        Raises:
            CheckpointError: the adapter is of another model, or this one has an adapter already.
        """
        if self.adapter is not None:
            raise CheckpointError(
                "this checkpoint has an adapter inside; another one goes with the plain model"
            )
        if adapter.text and self.text_state is None:
            raise CheckpointError(
                f"the adapter has LoRA of a text tower, which this checkpoint ({self.description}) lacks"
            )
        return replace(
            self,
            vision_state=fold_lora(self.vision_state, adapter.vision),
            text_state=None if self.text_state is None else fold_lora(self.text_state, adapter.text),
            weights_hash=_digest(self.weights_hash, adapter.digest),
            adapter=adapter,
        )


def read_checkpoint(
    path: Path,
    *,
    config: Mapping[str, object] | None = None,
    image_size: int | None = None,
    state: dict[str, Tensor] | None = None,
) -> Checkpoint:
    """Read a checkpoint of any layout this version knows.

    OpenAI and open_clip state dicts do not say their activation: quick_gelu is taken, and open_clip models trained
    with the other one need `config={"activation": "gelu"}`.

    Args:
        path: a Hugging Face folder or a weights file.
        config: what the files do not say; wins over them. Keys: heads, text_heads, activation, eps (both towers),
            image_size, resize, mean, std.
        image_size: side of the images in pixels; the position table is interpolated. Default: the preparation's size.
        state: what `read_weights(path)` gave, if it was called already.

    Raises:
        CheckpointError: the files are missing, damaged, of no known layout, or keys do not fit.
        SettingsError: unknown or invalid `config`.
    """
    path = Path(path)
    settings = check_config({**(config or {}), **({} if image_size is None else {"image_size": image_size})})
    stated = read_stated(path) if path.is_dir() else Stated()
    stored = read_weights(path) if state is None else state
    layout, state = _find_layout(stored, stated.model_type, path)
    state, trained = read_authors(state)
    folder = path if path.is_dir() else None
    if folder is None and layout in MODEL_TYPES.values():  # a file taken from inside a Hugging Face folder
        folder, stated = path.parent, read_stated(path.parent)

    state = complete_positions(state, layout)
    vision = configure_vision(measure_vision(state, layout), layout, stated, settings, path)
    text = configure_text(measure_text(state, layout), layout, stated, settings, path)
    vision_state, text_state = _translate(state, layout, vision, text, path)
    preparation = find_preparation(folder, layout.family, vision.image, settings=settings)
    weights_hash = hash_weights(vision_state)
    if preparation.size != vision.image:
        if preparation.size % vision.patch:
            error = SettingsError if "image_size" in settings else CheckpointError
            raise error(f"image size {preparation.size} is not a multiple of the patch side {vision.patch}")
        vision = replace(vision, image=preparation.size)
        _resize(vision_state, vision)
    home = path if path.is_dir() else path.parent
    checkpoint = Checkpoint(
        family=layout.family,
        vision=vision,
        vision_state=vision_state,
        text=text,
        text_state=text_state,
        tokenizer_dir=home if text is not None and has_tokenizer(home) else None,
        residual_state=_residual_state(state, path) if layout is OPENAI else None,
        preparation=preparation,
        weights_hash=weights_hash,
        logit_scale=float(state["logit_scale"]) if "logit_scale" in state else None,
        description=describe(layout.family, vision),
    )
    return checkpoint.adapted(Adapter(*trained)) if any(trained) else checkpoint


def build_vision(
    checkpoint: Checkpoint,
    *,
    config: VitConfig | None = None,
    state: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
) -> VisionTransformer:
    """The vision tower with its weights, for inference: eval mode, no gradients.

    Args:
        checkpoint: as read; its tensors are copied.
        config: another configuration together with `state`, as `fold_quick_gelu` gives both.
        state: tensors in place of the checkpoint's.
        dtype: type of the weights.
    """
    with torch.device("meta"):
        model = VisionTransformer(config or checkpoint.vision)
    return fill(model, checkpoint.vision_state if state is None else state, dtype)


def build_text(
    checkpoint: Checkpoint,
    *,
    config: TextConfig | None = None,
    state: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
) -> TextTransformer:
    """The text tower with its weights, for inference; arguments as in `build_vision`.

    Raises:
        CheckpointError: the checkpoint has none.
    """
    if checkpoint.text is None or checkpoint.text_state is None:
        raise CheckpointError(f"this checkpoint ({checkpoint.description}) has no text tower")
    with torch.device("meta"):
        model = TextTransformer(config or checkpoint.text)
    return fill(model, checkpoint.text_state if state is None else state, dtype)


def describe(family: str, config: VitConfig) -> str:
    """What the function is besides its weights, such as "clip-vit w768 l12 h12 p32 i224 quick_gelu eps 1e-05"."""
    name = "vit" if family == "vit" else f"{family}-vit"
    registers = f" r{config.registers}" if config.registers else ""
    sizes = f"w{config.width} l{config.layers} h{config.heads} p{config.patch} i{config.image}{registers}"
    return f"{name} {sizes} {config.activation} eps {config.eps:g}"


def _find_layout(
    state: dict[str, Tensor], model_type: str | None, path: Path
) -> tuple[Layout, dict[str, Tensor]]:
    """The layout whose signature is there; in a damaged folder, the one config.json names."""
    if reads_video(state) or model_type == VIDEO_TYPE:
        raise CheckpointError(
            f"{path}: a video classifier, which has no frame features; vidskim.load_model loads it for classify"
        )
    for pattern, reason in REFUSED.items():
        if key := next((name for name in state if fnmatchcase(name, pattern)), None):
            raise CheckpointError(f"{path}: {reason} (found {key!r})")
    for layout in LAYOUTS:
        named = layout.normalise(state)
        if layout.signature in named:
            return layout, named
    if model_type is not None:
        layout = MODEL_TYPES[model_type]
        return layout, layout.normalise(state)
    raise CheckpointError(
        f"{path}: no known layout has keys such as {', '.join(sorted(state)[:5])}; "
        f"known: {', '.join(layout.name for layout in LAYOUTS)}"
    )


def _translate(
    state: dict[str, Tensor], layout: Layout, vision: VitConfig, text: TextConfig | None, path: Path
) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
    """Both towers' tensors under the trunk's names; every key accounted for."""
    problems = Problems()
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in VisionTransformer(vision).state_dict().items()}
        text_shapes = (
            {} if text is None else {n: v.shape for n, v in TextTransformer(text).state_dict().items()}
        )
    vision_state, used = translate(state, shapes, layout=layout, names=layout.vision, problems=problems)
    text_state, text_used = translate(state, text_shapes, layout=layout, names=layout.text, problems=problems)
    problems.unexpected = find_unexpected(state, used | text_used, layout.ignored)
    if str(problems):
        raise CheckpointError(f"{path}: not a {layout.name} checkpoint as described: {problems}")
    return vision_state, None if text is None else text_state


def _resize(state: dict[str, Tensor], vision: VitConfig) -> None:
    """Make the position table one for the images of this configuration."""
    state["positions"] = resize_positions(
        state["positions"],
        prefix=1,
        grid=vision.grid,
        antialias=vision.registers > 0,  # as DINOv2 with registers was trained and transformers has it
    )


def _residual_state(state: dict[str, Tensor], path: Path) -> dict[str, Tensor] | None:
    """ResidualViT's tokenizer, under its own names."""
    prefix = OPENAI_RESIDUAL
    found = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if broken := [name for name, value in found.items() if not is_finite(value)]:
        raise CheckpointError(
            f"{path}: NaN or infinite values in the residual tokenizer: {', '.join(broken)}"
        )
    return found or None


def fill(model: Trunk, state: Mapping[str, Tensor], dtype: torch.dtype) -> Trunk:
    """A model built on the meta device with its weights, copied, for inference: eval mode, no gradients."""
    model.load_state_dict({name: value.to(dtype, copy=True) for name, value in state.items()}, assign=True)
    return model.eval().requires_grad_(False)


def _digest(*hashes: str) -> str:
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()
