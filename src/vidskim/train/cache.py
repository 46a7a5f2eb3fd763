"""Footage, prepared once: every sampled frame as the model sees it, and what the full encoder says about it.

A video becomes two files named after it: STEM.frames, the resized and cropped frames as raw bytes, to be mapped into
memory; and STEM.safetensors, the teacher's features, written last. The header holds a key over model, preparation,
sampling and the video's content: with another one the video is made again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidskim.disk import locked, writing
from vidskim.errors import NoFramesError, TrainingError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.flow import CLIP_BYTES, check_fps
from vidskim.pipeline.progress import Progress, Tally
from vidskim.pipeline.reader import describe_failure
from vidskim.pipeline.sources import Source, name_sources, shared_root, source_id
from vidskim.video.clip import Clip
from vidskim.video.prepare import crop_frames, normalise
from vidskim.video.read import iter_video

BLOCK = 64  # frames that are read, encoded and written together
PATIENCE_S = 60.0  # ranks look into the cache one after the other


@dataclass(frozen=True)
class CachedVideo:
    """One video of the cache.

    Args:
        name: its path below the root of the run.
        stem: path of its files, without suffix.
        count: frames.
        side: of a frame, pixels.
        key: what it was made from and with.
    """

    name: str
    stem: Path
    count: int
    side: int
    key: str

    def frames(self) -> NDArray[np.uint8]:
        """Prepared frames, not normalised, uint8 [t, y, x, 3]: mapped, so reading some costs no more than those."""
        shape = (self.count, self.side, self.side, 3)
        return np.memmap(_frames_file(self.stem), np.uint8, "r", shape=shape)

    def features(self) -> Tensor:
        """The teacher's unit vectors, float32 [v, t, d]: of the frames, and, if v is 2, of the frames mirrored."""
        return _read(self.stem)["features"]

    def times_s(self) -> NDArray[np.float64]:
        """Decoder timestamps in seconds [t]."""
        times: NDArray[np.float64] = _read(self.stem)["times_s"].numpy()
        return times


def cache_footage(
    videos: Sequence[Path],
    folder: Path,
    encoder: VideoEncoder,
    *,
    fps: float,
    mirrored: bool,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> list[CachedVideo]:
    """Prepare and encode every video, those left out that are there already. Resumable: videos are finished singly.

    Args:
        videos: files; a bad one is told of and left out.
        folder: of the cache; made if missing.
        encoder: with method "full": the teacher.
        fps: frames per second to sample.
        mirrored: also encode each frame mirrored.
        on_progress: called after each video.

    Raises:
        TrainingError: not one video could be read.
        SettingsError: a setting is out of range.
        BusyError: another process fills the cache.
    """
    check_fps(fps)
    sources = name_sources(videos, root=shared_root(videos))
    made_with = {
        "weights": encoder.fingerprint.weights,
        "preparation": encoder.preparation.to_dict(),
        "dtype": str(encoder.dtype),
        "fps": float(fps),
        "mirrored": mirrored,
    }
    tally, cached = Tally(len(sources), on_progress), []
    with locked(folder, wait_s=PATIENCE_S):
        for source in sources:
            try:
                key = _digest([made_with, source_id(source.path)])
                stem = folder / _digest(source.name)[:16]
                video = _find(stem, source=source, key=key, side=encoder.preparation.size)
                outcome = "done" if video is None else "skipped"
                video = video or _make(stem, source, key=key, encoder=encoder, fps=fps, mirrored=mirrored)
            except Exception as error:
                if isinstance(error, OSError) and error.filename != str(source.path):
                    raise TrainingError(
                        f"cannot write the cache in {folder}: {error.strerror or error}; finished videos are kept"
                    ) from error
                kind, message = describe_failure(error)
                tally.add(source.name, "failed", message=f"{kind}: {message}")
                continue
            cached.append(video)
            tally.add(source.name, outcome, frames=video.count)
    if not cached:
        raise TrainingError(
            f"not one of {len(sources)} videos could be read; `vidskim doctor` checks decoders"
        )
    return cached


def _find(stem: Path, *, source: Source, key: str, side: int) -> CachedVideo | None:
    """What the cache holds of a video; None if nothing, or if it was made otherwise or is not whole."""
    try:
        with safetensors.safe_open(_features_file(stem), framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            count = file.get_slice("times_s").get_shape()[0]
        whole = _frames_file(stem).stat().st_size == count * side * side * 3
    except (safetensors.SafetensorError, OSError):
        return None
    return CachedVideo(source.name, stem, count, side, key) if whole else None


def _make(
    stem: Path, source: Source, *, key: str, encoder: VideoEncoder, fps: float, mirrored: bool
) -> CachedVideo:
    """Read, prepare, encode and write one video."""
    _features_file(stem).unlink(missing_ok=True)
    features, times = [], []
    with writing(_frames_file(stem)) as file:
        for clip in iter_video(source.path, fps=fps, max_bytes=CLIP_BYTES, block=BLOCK, **encoder.reading):
            cropped = crop_frames(clip.frames, encoder.preparation)
            file.write(cropped.tobytes())
            features.append(torch.stack(list(_encode(encoder, cropped, clip, mirrored=mirrored))))
            times.append(torch.from_numpy(clip.times_s))
        if not sum(map(len, times)):
            raise NoFramesError("not one frame", path=str(source.path))
    tensors = {"features": torch.cat(features, dim=1), "times_s": torch.cat(times)}
    with writing(_features_file(stem)) as file:
        file.write(safetensors.torch.save(tensors, metadata={"key": key, "name": source.name}))
    return CachedVideo(source.name, stem, len(tensors["times_s"]), encoder.preparation.size, key)


def _encode(
    encoder: VideoEncoder, cropped: NDArray[np.uint8], clip: Clip, *, mirrored: bool
) -> Iterator[Tensor]:
    pixels = normalise(cropped, encoder.preparation)
    yield encoder.encode_pixels(pixels, times_s=clip.times_s).vectors
    if mirrored:
        yield encoder.encode_pixels(pixels.flip(-1), times_s=clip.times_s).vectors


def _read(stem: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(_features_file(stem))


def _frames_file(stem: Path) -> Path:
    return stem.with_suffix(".frames")


def _features_file(stem: Path) -> Path:
    return stem.with_suffix(".safetensors")


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
