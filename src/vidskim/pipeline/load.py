"""load_model: from a name, folder or file to a VideoEncoder, a RetrievalEncoder or a VideoClassifier."""

import json
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from vidskim.errors import CheckpointError, SettingsError, unknown_name
from vidskim.fingerprint import Fingerprint
from vidskim.methods.baseline import Full
from vidskim.methods.clip_registry import refuse_clip_method
from vidskim.methods.tempme import TempMe
from vidskim.models.adapter import find_adapter, read_adapter
from vidskim.models.checkpoint import Checkpoint, read_checkpoint
from vidskim.models.layouts.measure import reads_video
from vidskim.models.linear import cpu_has_bfloat16
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.weights import read_weights
from vidskim.pipeline.classifier import VideoClassifier, read_classifier
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.hub import resolve
from vidskim.pipeline.retrieval import RetrievalEncoder, join_frames
from vidskim.pipeline.text import TextEncoder
from vidskim.pipeline.towers import load_between, text_tower, vision_tower

NOTES_FILE = "vidskim.json"  # beside the weights: {"min_score": ...}
DTYPES = {name: getattr(torch, name) for name in ("float32", "bfloat16", "float16", "float64")}


def load_model(
    source: str | PathLike[str],
    *,
    method: str = "full",
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    config: Mapping[str, object] | None = None,
    tokenizer: str | PathLike[str] | None = None,
    image_size: int | None = None,
    scaler: str = "pillow",
    residual_tokenizer: str | PathLike[str] | None = None,
    student: str | PathLike[str] | None = None,
    student_config: Mapping[str, object] | None = None,
    adapter: str | PathLike[str] | None = None,
    **settings: object,
) -> Any:
    """Load a model with a method. What the checkpoint holds decides what it becomes.

    Args:
        source: "demo", "demo-action", a Hub id that `vidskim prepare` has fetched, a folder, or a checkpoint file.
        method: of a frame model "full", "copy", "interpolate", "merge", "residual" or "reuse" (alone: budget=0.45 of
            the full compute), or "tempme" for one vector a video; of a video classifier "full" or "sta" (as baselines
            of STA also "saliency", "redundancy", "random", "uniform", and on VideoMAE "tome").
        device: "auto" (a GPU if there is one), "cpu", "cuda", ...
        dtype: "auto" (bfloat16 where it is computed fast, else float32), "float32", "bfloat16", "float16", "float64".
        config: what a bare state dict cannot tell, such as {"heads": 4, "activation": "quick_gelu", "eps": 1e-5}.
        tokenizer: tokenizer files, where the checkpoint has none of its own.
        image_size: side of the input in pixels, if not the checkpoint's; the position table is interpolated.
        scaler: what resizes video frames: "pillow", exactly as published, or "decoder", faster and nearly equal.
        residual_tokenizer: file of `vidskim train distill`. Default: the checkpoint's or student's, or its folder's.
        student: another checkpoint, whose vision tower encodes the P-frames of method="residual".
        student_config: as `config`, for the student; None is `config` itself.
        adapter: LoRA of a CLIP and clip positions: our file, a folder in PEFT's format or a checkpoint of TempMe's
            authors. Default for method="tempme": the one in the checkpoint's folder, if the plan has its joins.
        **settings: of the method: budget, interleave, keep or threshold, select, anchors, r, resolution, token, seed;
            of "tempme" plan, split, merge, faithful; of "sta" r, groups, direction, anchor, and on Video Swin r1,
            windows, anchor; of "random" seed.

    Returns:
        A `VideoEncoder`, with "tempme" a `RetrievalEncoder`; of VideoMAE and Video Swin a `VideoClassifier`.

    Raises:
        SettingsError: an unknown method or setting, or a value out of range.
        CheckpointError: the weights are missing, of an unknown layout, or do not fit.
    """
    place = _place(device, dtype)
    path = resolve(source)
    reading: dict[str, Any] = {"state": read_weights(path), "config": config, "image_size": image_size}
    between = {"student": student, "tokenizer": residual_tokenizer, "config": student_config or config}
    if reads_video(reading["state"]):
        pupil = student or student_config
        beside = {"residual_tokenizer": residual_tokenizer, "student": pupil, "adapter": adapter}
        _refuse_parts(tokenizer=tokenizer, **beside)
        classifier = read_classifier(path, place=place, scaler=scaler, **reading)
        return classifier.with_method(method, **settings)
    refuse_clip_method(method)
    own = find_adapter(path, settings.get("plan")) if method == TempMe.name and adapter is None else None
    checkpoint = _adapt(read_checkpoint(path, **reading), adapter, own)
    full = _encoder(checkpoint, path, place, scaler=scaler, tokenizer=tokenizer, between=between)
    return _with_method(full, method, settings)


def load_encoder(source: str | PathLike[str], **options: Any) -> VideoEncoder:
    """`load_model` for frame models only.

    Raises:
        SettingsError: as `load_model`.
        CheckpointError: as `load_model`, or the checkpoint is a video classifier.
    """
    model = load_model(source, **options)
    if isinstance(model, RetrievalEncoder):
        raise SettingsError(
            "method='tempme' gives one vector a video, and here each frame needs its own; use another method"
        )
    if not isinstance(model, VideoEncoder):
        raise CheckpointError(
            f"{source} is a video classifier, which has no frame features; vidskim.load_model(...).classify(clip) "
            "gives its labels"
        )
    return model


def load_classifier(source: str | PathLike[str], **options: Any) -> VideoClassifier:
    """`load_model` for video classifiers only.

    Raises:
        SettingsError: as `load_model`.
        CheckpointError: as `load_model`, or the checkpoint is a frame model.
    """
    model = load_model(source, **options)
    if not isinstance(model, VideoClassifier):
        raise CheckpointError(f"{source} is a frame model and has no labels; give a video classifier")
    return model


def is_classifier(source: str | PathLike[str]) -> bool:
    """Whether `load_model` would give a `VideoClassifier`; looks at the shapes of its weights.

    Raises:
        CheckpointError: the weights are missing or damaged.
    """
    return reads_video(read_weights(resolve(source)))


def load_text_encoder(
    source: str | PathLike[str],
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    config: Mapping[str, object] | None = None,
    tokenizer: str | PathLike[str] | None = None,
    image_size: int | None = None,
    method: str = "full",
    adapter: str | PathLike[str] | None = None,
    plan: object = None,
) -> TextEncoder:
    """Load a model's text tower alone, as a search over a store needs it; arguments as in `load_model`.

    Raises:
        SettingsError: an unknown setting, or a value out of range.
        CheckpointError: the weights are missing, of an unknown layout, or do not fit.
    """
    place = _place(device, dtype)
    path = resolve(source)
    own = find_adapter(path, plan) if method == TempMe.name and adapter is None else None
    checkpoint = _adapt(read_checkpoint(path, config=config, image_size=image_size), adapter, own)
    return TextEncoder(
        text_tower(checkpoint, *place),
        read_tokenizer(checkpoint, tokenizer),
        model=checkpoint.description,
        dim=checkpoint.vision.dim,
        weights=checkpoint.weights_hash,
        min_score=_min_score(path),
        words=checkpoint.adapter.words if checkpoint.adapter else None,
    )


def _encoder(
    checkpoint: Checkpoint,
    path: Path,
    place: tuple[torch.device, torch.dtype],
    *,
    scaler: str,
    tokenizer: str | PathLike[str] | None,
    between: Mapping[str, Any],
) -> VideoEncoder:
    """The full encoder; `between` is what `load_between` takes, the rest as in `load_model`."""
    preparation = replace(checkpoint.preparation, scaler=scaler)
    pupil, residual = load_between(checkpoint, path, place=place, **between)
    name, weights = checkpoint.description, checkpoint.weights_hash
    return VideoEncoder(
        vision_tower(checkpoint, *place),
        Full(),
        preparation=preparation,
        fingerprint=Fingerprint(name, weights, preparation.to_dict(), Full.name),
        text=text_tower(checkpoint, *place),
        tokenizer=read_tokenizer(checkpoint, tokenizer),
        residual_tokenizer=residual,
        student=pupil,
        min_score=_min_score(path),
        adapter=checkpoint.adapter,
    )


def _with_method(
    full: VideoEncoder, method: str, settings: dict[str, Any]
) -> VideoEncoder | RetrievalEncoder:
    if method == TempMe.name:
        return join_frames(full, settings)
    return full.with_method(method, **settings)


def _adapt(checkpoint: Checkpoint, adapter: str | PathLike[str] | None, own: Path | None) -> Checkpoint:
    """The checkpoint with an adapter: the one named or, if it has none inside, the one in its folder."""
    if adapter is None and checkpoint.adapter is None:
        adapter = own
    if adapter is None:
        return checkpoint
    read = read_adapter(Path(adapter), backbone=checkpoint.backbone, config=checkpoint.config)
    return checkpoint.adapted(read)


def _refuse_parts(**options: object) -> None:
    if given := [name for name, value in options.items() if value is not None]:
        raise SettingsError(f"{', '.join(given)} is for frame models, and this is a video classifier")


def _place(device: str | torch.device, dtype: str | torch.dtype) -> tuple[torch.device, torch.dtype]:
    place = torch_device(str(device))
    return place, torch_dtype(str(dtype).removeprefix("torch."), place)


def torch_device(name: str) -> torch.device:
    """A device by name; "auto" is a GPU if there is one.

    Raises:
        SettingsError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise unknown_name("device", name, ("auto", "cpu", "cuda", "cuda:0")) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            f"device {name!r} was asked for, but torch sees no GPU; use device='cpu' or 'auto'"
        )
    return device


def torch_dtype(name: str, device: torch.device) -> torch.dtype:
    """A dtype by name; "auto" is bfloat16 on a GPU or on a CPU that multiplies it in hardware, else float32.

    Raises:
        SettingsError: an unknown name.
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" or cpu_has_bfloat16() else torch.float32
    if name not in DTYPES:
        raise unknown_name("dtype", name, ("auto", *DTYPES))
    dtype: torch.dtype = DTYPES[name]
    return dtype


def _min_score(path: Path) -> float | None:
    """What the model's folder says is the least score of a match.

    Raises:
        CheckpointError: it says something else.
    """
    file = path / NOTES_FILE
    if not file.is_file():
        return None
    try:
        return float(json.loads(file.read_text(encoding="utf-8"))["min_score"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f'{file}: expected {{"min_score": a number}} ({error})') from error


def read_tokenizer(checkpoint: Checkpoint, given: str | PathLike[str] | None = None) -> Tokenizer | None:
    """The tokenizer given, else the one in the checkpoint's folder; None where there is none, or no text tower.

    Raises:
        CheckpointError: it is not the text tower's.
    """
    if checkpoint.text is None:
        return None
    path = checkpoint.tokenizer_dir if given is None else Path(given)
    if path is None:
        return None
    tokenizer = Tokenizer.from_folder(path) if path.is_dir() else Tokenizer.from_file(path)
    text = checkpoint.text
    if tokenizer.vocabulary > text.vocabulary or text.end_id not in (None, tokenizer.end_id):
        raise CheckpointError(
            f"the tokenizer in {path} ({tokenizer.vocabulary} tokens, end token {tokenizer.end_id}) is not the text "
            f"tower's ({text.vocabulary} tokens, end token {text.end_id}); pass the right one as tokenizer="
        )
    return tokenizer
