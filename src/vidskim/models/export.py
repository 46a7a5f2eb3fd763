"""Checkpoints out: our trunks as Hugging Face folders, which load here and in transformers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import log
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from vidskim.disk import writing
from vidskim.errors import CheckpointError
from vidskim.models.layouts.clip import HF_CLIP
from vidskim.models.layouts.layout import restore
from vidskim.models.layouts.preparation import FILE, RESAMPLE_CODE
from vidskim.models.layouts.stated import VIEWS_KEY
from vidskim.models.layouts.videomae import HF_HEAD_EPS, HF_VIDEOMAE
from vidskim.models.text import TextTransformer
from vidskim.models.variants import TextConfig, VideoVitConfig, VitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.models.vit import VisionTransformer
from vidskim.video.prepare import Preparation
from vidskim.video.views import Views

# Beside the classifier's head, Hugging Face's names have the trunk's own before them.
_FULL = {"embeddings": "videomae.", "encoder": "videomae."}


def save_checkpoint(
    folder: Path,
    vision: VisionTransformer,
    text: TextTransformer,
    *,
    preparation: Preparation | None = None,
    logit_scale: float = log(100),
) -> None:
    """Write config.json, preprocessor_config.json and model.safetensors of a Hugging Face CLIP.

    Tokenizer files are the caller's to put beside them.

    Args:
        folder: made if need be; files of these names are overwritten.
        vision: a CLIP tower (norm before the blocks, projection, no registers), not folded.
        text: its text tower; both end in the same width.
        preparation: default: CLIP's at the vision tower's size.
        logit_scale: the logarithm, as CLIP stores it.

    Raises:
        CheckpointError: towers that Hugging Face's CLIP has no place for.
    """
    _check(vision.config, text.config)
    records = {
        "config.json": _model_record(vision.config, text.config, vision.dtype),
        FILE: _preparation_record(
            preparation or Preparation.clip(size=vision.config.image), processor="CLIPImageProcessor"
        ),
    }
    patch = (vision.config.patch, vision.config.patch)
    tensors: dict[str, Tensor] = {
        **restore(vision.state_dict(), HF_CLIP.vision, patch=patch),
        **restore(text.state_dict(), HF_CLIP.text, patch=patch),
        "logit_scale": torch.tensor(logit_scale),
    }
    _write(folder, tensors, records)


def save_video_checkpoint(
    folder: Path,
    trunk: VideoTransformer,
    *,
    labels: Sequence[str],
    preparation: Preparation,
    views: Views | None = None,
) -> None:
    """Write config.json, preprocessor_config.json and model.safetensors of a Hugging Face VideoMAE.

    That layout has no biases of keys. They are left out: attention is the same whatever they are.

    Args:
        folder: made if need be; files of these names are overwritten.
        trunk: a classifier that pools by the mean.
        labels: names of its classes.
        preparation: of its frames.
        views: which frames its clips had in training, and will have in use; None leaves that open.

    Raises:
        CheckpointError: labels that are not the trunk's, or a trunk that Hugging Face's VideoMAE has no place for.
    """
    config = trunk.config
    if len(labels) != config.classes:
        raise CheckpointError(f"expected {config.classes} labels, one a class, received {len(labels)}")
    if (config.pool, config.head_eps, config.qkv_bias) != ("mean", HF_HEAD_EPS, True):
        raise CheckpointError(
            f"a Hugging Face VideoMAE pools by the mean, has head_eps={HF_HEAD_EPS:g} and biases of queries and "
            f"values; received {config}"
        )
    records = {
        "config.json": _video_record(config, labels, trunk.dtype)
        | ({} if views is None else {VIEWS_KEY: asdict(views)}),
        FILE: _preparation_record(preparation, processor="VideoMAEImageProcessor"),
    }
    patch = (config.tubelet, config.patch, config.patch)
    tensors = restore(trunk.state_dict(), HF_VIDEOMAE.vision, patch=patch)
    _write(
        folder, {_FULL.get(name.split(".")[0], "") + name: value for name, value in tensors.items()}, records
    )


def _write(folder: Path, tensors: Mapping[str, Tensor], records: Mapping[str, Mapping[str, Any]]) -> None:
    # plain copies: a file must not depend on views or devices
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    with writing(folder / "model.safetensors") as file:
        file.write(safetensors.torch.save(copies, metadata={"format": "pt"}))
    for name, record in records.items():
        with writing(folder / name) as file:
            file.write(json.dumps(record, indent=2).encode() + b"\n")


def _check(vision: VitConfig, text: TextConfig) -> None:
    fits = vision.norm_pre and vision.embed and vision.qkv_bias and not vision.patch_bias
    if not fits or vision.layer_scale or vision.registers:
        raise CheckpointError(f"only CLIP towers can be saved as a Hugging Face CLIP, received {vision}")
    if vision.embed != text.embed:
        raise CheckpointError(
            f"both towers must end in the same width, received {vision.embed} (vision) and {text.embed} (text)"
        )
    if "silu" in (vision.activation, text.activation):
        raise CheckpointError(
            "a folded tower (activation 'silu') cannot be saved; save it before fold_quick_gelu"
        )


def _model_record(vision: VitConfig, text: TextConfig, dtype: torch.dtype) -> dict[str, Any]:
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "dtype": str(dtype).removeprefix("torch."),
        "projection_dim": vision.embed,
        "vision_config": {
            **_tower_record(vision),
            "model_type": "clip_vision_model",
            "patch_size": vision.patch,
            "image_size": vision.image,
        },
        "text_config": {
            **_tower_record(text),
            "model_type": "clip_text_model",
            "vocab_size": text.vocabulary,
            "max_position_embeddings": text.context,
            "bos_token_id": max(0, text.vocabulary - 2),
            # 2 is the sign for "the largest id", whatever the vocabulary's end token is
            "eos_token_id": 2 if text.end_id is None else text.end_id,
        },
    }


def _tower_record(config: VitConfig | TextConfig) -> dict[str, Any]:
    return {
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.hidden,
        "hidden_act": config.activation,
        "layer_norm_eps": config.eps,
        "projection_dim": config.embed,
    }


def _video_record(config: VideoVitConfig, labels: Sequence[str], dtype: torch.dtype) -> dict[str, Any]:
    return {
        "architectures": ["VideoMAEForVideoClassification"],
        "model_type": "videomae",
        "dtype": str(dtype).removeprefix("torch."),
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.hidden,
        "hidden_act": config.activation,
        "layer_norm_eps": config.eps,
        "patch_size": config.patch,
        "image_size": config.image,
        "num_frames": config.frames,
        "tubelet_size": config.tubelet,
        "qkv_bias": True,
        "use_mean_pooling": True,
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def _preparation_record(preparation: Preparation, *, processor: str) -> dict[str, Any]:
    if preparation.interpolation not in RESAMPLE_CODE:
        raise CheckpointError(
            f"interpolation must be {' or '.join(RESAMPLE_CODE)} to be saved, received {preparation.interpolation!r}"
        )
    return {
        "image_processor_type": processor,
        "do_resize": True,
        "size": {"shortest_edge": preparation.resize},
        "resample": RESAMPLE_CODE[preparation.interpolation],
        "do_center_crop": True,
        "crop_size": {"height": preparation.size, "width": preparation.size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preparation.mean),
        "image_std": list(preparation.std),
        "do_convert_rgb": True,
    }
