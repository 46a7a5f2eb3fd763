"""Checkpoints of a training: one safetensors file each, whole or not there, the newest two kept.

Tensors: "model.NAME" (trained parameters and buffers), "optimizer.NAME.exp_avg" and its like.
Header: "format", "step", "settings" and "progress" (JSON), "sha256" over the tensors.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from vidskim.disk import writing
from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.weights import hash_weights

FORMAT = "vidskim-train-1"
KEEP = 2
_NAME = re.compile(r"checkpoint-(\d{8})\.safetensors")
_log = logging.getLogger("vidskim")


class DamagedCheckpointError(CheckpointError):
    """The file is cut short, or its bytes are no longer those that were written."""


@dataclass(frozen=True, kw_only=True)
class TrainCheckpoint:
    """Where a training stands.

    Args:
        step: steps finished.
        settings: those that decide what comes out.
        progress: JSON values the loop wants back.
        tensors: weights and optimiser state, on the CPU.
    """

    step: int
    settings: Mapping[str, object]
    progress: Mapping[str, object]
    tensors: Mapping[str, Tensor] = field(repr=False)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"checkpoint-{step:08d}.safetensors"


def list_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder by step, newest first."""
    found = {int(match[1]): path for path in folder.glob("*") if (match := _NAME.fullmatch(path.name))}
    return dict(sorted(found.items(), reverse=True))


def write_checkpoint(folder: Path, checkpoint: TrainCheckpoint) -> Path:
    """Write a checkpoint, then remove all others but the one before it."""
    path = checkpoint_path(folder, checkpoint.step)
    metadata = {
        "format": FORMAT,
        "step": str(checkpoint.step),
        "settings": json.dumps(checkpoint.settings, sort_keys=True),
        "progress": json.dumps(checkpoint.progress, sort_keys=True),
        "sha256": hash_weights(checkpoint.tensors),
    }
    # the library's own way to a file leaves a temporary one of another name behind when it is killed
    content = safetensors.torch.save(dict(checkpoint.tensors), metadata=metadata)
    with writing(path) as file:
        file.write(content)
    _remove_others(folder, checkpoint.step)
    return path


def read_train_checkpoint(path: Path) -> TrainCheckpoint:
    """Read one checkpoint.

    Raises:
        DamagedCheckpointError: it is cut short or altered.
        CheckpointError: it is no checkpoint of a training, or of a newer version.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise DamagedCheckpointError(f"{path}: damaged ({error})") from error
    if metadata.get("format") != FORMAT:
        received = metadata.get("format", "none")
        raise CheckpointError(
            f"{path}: expected a training checkpoint of format {FORMAT}, received {received}; it was written by "
            "another version or is something else. Train in another folder"
        )
    if hash_weights(tensors) != metadata.get("sha256"):
        raise DamagedCheckpointError(f"{path}: damaged (its tensors are not those that were written)")
    try:
        return TrainCheckpoint(
            step=int(metadata["step"]),
            settings=json.loads(metadata["settings"]),
            progress=json.loads(metadata["progress"]),
            tensors=tensors,
        )
    except (KeyError, ValueError) as error:
        raise DamagedCheckpointError(f"{path}: damaged (its header: {error!r})") from error


def newest_checkpoint(folder: Path) -> TrainCheckpoint | None:
    """The newest checkpoint that is whole, or None where there is none at all. Damaged ones are skipped and logged.

    Raises:
        CheckpointError: there are some, and not one can be used.
    """
    paths = list(list_checkpoints(folder).values())
    for path in paths:
        try:
            return read_train_checkpoint(path)
        except DamagedCheckpointError as error:
            _log.warning("%s; going back to the checkpoint before it", error)
    if paths:
        names = ", ".join(path.name for path in paths)
        raise CheckpointError(f"{folder}: all checkpoints are damaged ({names}). Remove them to begin again")
    return None


def check_settings(now: Mapping[str, object], stored: Mapping[str, object], *, folder: Path) -> None:
    """Refuse to go on with settings that would change what comes out.

    Raises:
        SettingsError: names each setting that differs.
    """
    names = sorted({*now, *stored})
    absent = object()
    differing = [name for name in names if now.get(name, absent) != stored.get(name, absent)]
    if differing:
        listed = "; ".join(f"{name} was {stored.get(name)!r}, is {now.get(name)!r}" for name in differing)
        raise SettingsError(
            f"{folder} holds a training with other settings: {listed}. Give it the same settings, train in another "
            "folder, or remove this one"
        )


def _remove_others(folder: Path, step: int) -> None:
    """Later ones are damaged, or they would not have been written again."""
    older = [other for other in list_checkpoints(folder) if other < step]
    kept = {step, *older[: KEEP - 1]}
    for other, path in list_checkpoints(folder).items():
        if other not in kept:
            path.unlink(missing_ok=True)
