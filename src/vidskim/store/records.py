"""The records a store takes and gives: videos, their frames, and the answers of a search."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.store.identity import Identity

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class VideoRecord:
    """One video as it is given to a store. A store holds one video a path.

    Args:
        path: absolute path, or a URI such as "s3://bucket/clip.mp4".
        identity: of the file's content; see `identify`.
        duration_s: seconds, 0 or more.
        fps: frames a second that were encoded, or None for every frame.
        name: what to show; the last part of the path if empty.
        notes: what else is known, plain JSON values: damage counts, settings of the reader.

    Raises:
        SettingsError: the path is relative or cannot be stored as text, or a number is out of range.
    """

    path: str
    identity: Identity
    duration_s: float
    fps: float | None = None
    name: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_path(self.path)
        if not (np.isfinite(self.duration_s) and self.duration_s >= 0):
            raise SettingsError(f"duration_s must be 0 or more seconds, received {self.duration_s}")
        if self.fps is not None and not (np.isfinite(self.fps) and self.fps > 0):
            raise SettingsError(f"fps must be above 0, or None for every frame, received {self.fps}")
        check_plain("notes", self.notes)
        if not self.name:
            object.__setattr__(self, "name", last_part(self.path))


@dataclass(frozen=True, kw_only=True)
class StoredVideo(VideoRecord):
    """One video as a store gives it back.

    Args:
        id: twelve hex digits; stays when the video moves or is indexed again.
        frames: number of vectors.
        fingerprint: digest of the extractor.
        indexed_at: UTC, ISO 8601.
        entry: names this version of the video's vectors; another one after each indexing.
        segments: number of segments that have a vector, beside one of the whole video; None if there are none.
    """

    id: str
    frames: int
    fingerprint: str
    indexed_at: str
    entry: str
    segments: int | None = None


@dataclass(frozen=True)
class State:
    """How a file stands to a store.

    Args:
        kind: "new"; "unchanged"; "changed" (same path, other size, time or content); "moved" (the content of a video
            whose path no longer exists).
        video: the stored video it concerns, None if new.
    """

    kind: Literal["new", "unchanged", "changed", "moved"]
    video: StoredVideo | None = None


@dataclass(frozen=True)
class About:
    """What all vectors of a store have in common: those of its frames, or those of its segments and whole videos.

    Args:
        store: id of the store, made with it; vectors of segments have one of their own.
        fingerprint: of the extractor.
        dimensions: length of a vector, 2 or more.
        created_at: UTC, ISO 8601.
        origin: how to get the extractor again, as arguments of `load_model`, plain JSON; empty if nobody said.
    """

    store: str
    fingerprint: Fingerprint
    dimensions: int
    created_at: str
    origin: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dimensions < 2:
            raise SettingsError(f"dimensions must be 2 or more, received {self.dimensions}")
        check_plain("origin", self.origin)


@dataclass(frozen=True)
class Frames:
    """The vectors of one video, in order of time.

    Args:
        vectors: float32 [t, d], unit length.
        start_s: seconds, float64 [t].
        end_s: seconds, float64 [t]; where the frame stops standing for the video.
        kinds: "I" or "P", [t].
    """

    vectors: Vectors
    start_s: Floats
    end_s: Floats
    kinds: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class LevelVectors:
    """The vectors of one video's segments and of the whole of it, which see what happens between frames.

    Args:
        segments: float32 [s, d], unit length, s of 1 or more.
        start_s: seconds, float64 [s], rising.
        end_s: seconds, float64 [s].
        whole: float32 [d], unit length.
        fingerprint: of the model that made them.
    """

    segments: Vectors
    start_s: Floats
    end_s: Floats
    whole: Vectors
    fingerprint: Fingerprint

    def __len__(self) -> int:
        return len(self.segments)


@dataclass(frozen=True)
class Curve:
    """How well each frame of one video fits a query: start_s and end_s in seconds, scores cosines, each [t]."""

    start_s: Floats
    end_s: Floats
    scores: Vectors

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Hits:
    """The nearest frames, best first; equal scores in order of video id, then position. Every field is [k].

    Args:
        videos: ids.
        positions: number of the frame in its video, from 0.
        start_s: seconds.
        end_s: seconds.
        scores: cosines, -1 to 1.
        how: "exact" (every vector was compared) or "index" (approximate).
    """

    videos: tuple[str, ...]
    positions: NDArray[np.int64]
    start_s: Floats
    end_s: Floats
    scores: Vectors
    how: Literal["exact", "index"]

    def __post_init__(self) -> None:
        lengths = {len(self.videos), *(len(each) for each in (self.positions, self.start_s, self.end_s))}
        if lengths != {len(self.scores)}:
            raise SettingsError(
                f"the fields of Hits differ in length: {sorted(lengths | {len(self.scores)})}"
            )

    def __len__(self) -> int:
        return len(self.videos)


@dataclass(frozen=True)
class Count:
    """How many videos and frames a store holds."""

    videos: int
    frames: int


@dataclass(frozen=True)
class Compaction:
    """Bytes on disk before and after compacting."""

    bytes_before: int
    bytes_after: int


def stored_path(path: str | Path) -> str:
    """A path as the store keeps it: absolute, or a URI as it is.

    Raises:
        SettingsError: it is not UTF-8.
    """
    text = str(path)
    text = text if "://" in text else os.path.abspath(text)
    check_path(text)
    return text


def check_plain(name: str, values: Mapping[str, Any]) -> None:
    """Refuse what JSON cannot hold.

    Raises:
        SettingsError: a value is not plain.
    """
    try:
        json.dumps(dict(values))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{name} must be plain JSON values: {error}") from None


def check_path(path: str) -> None:
    """Refuse what would mean another file tomorrow or cannot be stored.

    Raises:
        SettingsError: the path is relative, or not UTF-8.
    """
    if "://" not in path and not os.path.isabs(path):
        raise SettingsError(
            f"a stored path must be absolute or a URI, received {path!r}; use os.path.abspath(path)"
        )
    try:
        path.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"the path {path!r} holds bytes that are not UTF-8; rename the file") from None


def last_part(path: str) -> str:
    """The file's name in a path or URI."""
    return path.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
