"""What can go wrong, as a tree. Everything vidskim raises on purpose descends from VidskimError.

VidskimError
├── VideoError            one file could not be read; `kind` is stable, for machines
│   ├── CannotOpenError       cannot_open
│   ├── NoVideoStreamError    no_video_stream
│   ├── NoFramesError         no_frames
│   ├── DamagedVideoError     damaged
│   └── VideoTooLargeError    too_large
├── CheckpointError       weights, configuration or tokenizer files do not fit
├── SettingsError         a setting or argument is unknown, of the wrong shape or out of range (also a ValueError)
├── FingerprintError      features made by one extractor would be mixed with another's
├── StoreError            a store is missing or not ours, or refuses what would spoil its searches
├── BusyError             another process is writing to the folder, and did not end in time
└── TrainingError         a training cannot go on: its loss or gradient is no longer a number, or its folder is in use

    try:
        clip = vidskim.read_video(path, fps=3.0)
    except vidskim.VideoError as error:
        print(error.kind, error)
"""

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar, Literal


class VidskimError(Exception):
    """Base of every error raised on purpose."""


class VideoError(VidskimError):
    """One video could not be read. `path` is the file, `kind` a stable code."""

    kind: ClassVar[str] = "video"

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class CannotOpenError(VideoError):
    """The file is missing, not a video, or in a container that is not allowed."""

    kind = "cannot_open"


class NoVideoStreamError(VideoError):
    """The container opens but holds no video stream."""

    kind = "no_video_stream"


class NoFramesError(VideoError):
    """There is a video stream, but not one frame could be decoded."""

    kind = "no_frames"


class DamagedVideoError(VideoError):
    """Raised in strict reading only: some packets were bad or the end is missing. `clip` holds what was read."""

    kind = "damaged"
    clip: Any = None


class VideoTooLargeError(VideoError):
    """Width, height, frames, duration or memory is above its cap."""

    kind = "too_large"


class CheckpointError(VidskimError):
    """Weights, configuration or tokenizer files are missing or do not fit."""


class SettingsError(VidskimError, ValueError):
    """A setting or an argument is unknown, of the wrong shape or type, or out of range."""


class FingerprintError(VidskimError):
    """Features made by one extractor would be mixed with another's. `remedy` says what would go through."""

    def __init__(self, message: str, *, remedy: Literal["overwrite", "other_folder"]) -> None:
        super().__init__(message)
        self.remedy = remedy


class StoreError(VidskimError):
    """A store is missing, in use or of another format, or it refuses vectors that would spoil its searches."""


class BusyError(VidskimError):
    """Another process or thread is writing to the folder, and was all the time that was waited for it."""


class TrainingError(VidskimError):
    """A training cannot go on: its loss or gradient is no longer a number, or another one writes to its folder."""


def unknown_name(kind: str, name: object, allowed: Iterable[str]) -> SettingsError:
    """The error for a name nobody knows, a string or not: it lists what is allowed and the nearest match."""
    choices = sorted(allowed)
    nearest = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return SettingsError(f"unknown {kind} {name!r}; allowed: {', '.join(choices)}.{hint}")
