"""Vectors of videos in a folder, so that an evaluation that was interrupted goes on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from vidskim.disk import writing

FOLDER = "vectors"


@dataclass(frozen=True, eq=False)
class VideoVector:
    """A video, encoded.

    Args:
        vector: float32 [d], L2-normalised.
        macs: multiply-accumulates it took.
        seconds: in the model, reading the file apart.
    """

    vector: Tensor
    macs: int
    seconds: float


class VectorFolder:
    """A file for each video and whatever encoded it; without a folder nothing is kept."""

    def __init__(self, out: Path | None) -> None:
        self.folder = None if out is None else out / FOLDER

    def find(self, key: str) -> VideoVector | None:
        """What was kept under a key; None if nothing is there, or it is damaged."""
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                notes = file.metadata()
                return VideoVector(file.get_tensor("vector"), int(notes["macs"]), float(notes["seconds"]))
        except (safetensors.SafetensorError, KeyError, ValueError):
            return None

    def keep(self, key: str, found: VideoVector) -> None:
        """Write a video's vector, whole or not at all."""
        path = self._path(key)
        if path is None:
            return
        notes = {"macs": str(found.macs), "seconds": repr(found.seconds)}
        data = safetensors.torch.save({"vector": found.vector.contiguous()}, metadata=notes)
        with writing(path) as file:
            file.write(data)

    def _path(self, key: str) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
