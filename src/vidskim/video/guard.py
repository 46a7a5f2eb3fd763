"""What is allowed in: local files of known containers, within limits. Knows no decoder.

A playlist or a list of parts can name other files or addresses, so such containers are refused, and so is every
protocol but plain files.
"""

import os
from dataclasses import dataclass, fields

from vidskim.errors import CannotOpenError, SettingsError, VideoTooLargeError

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,flv,mpeg,gif,ogg,asf"
OPEN_OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
DEFAULT_MAX_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Limits:
    """Caps on one video, checked on the header and again while decoding, because headers lie.

    Args:
        side: largest width or height, pixels.
        pixels: largest width times height.
        frames: largest number of frames in the file.
        duration_s: longest duration.
    """

    side: int = 16384
    pixels: int = 2**26
    frames: int = 24 * 3600 * 120
    duration_s: float = 24 * 3600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise SettingsError(f"Limits.{field.name} must be above 0, received {value}")

    def check_size(self, width: int, height: int, path: str, *, cause: str = "") -> None:
        """Raise VideoTooLargeError if a frame of this size is above the caps; `cause` says what makes it so large."""
        if max(width, height) > self.side:
            message = f"{cause}{width}x{height} pixels; a side may have {self.side} (Limits.side)"
            raise VideoTooLargeError(message, path=path)
        if width * height > self.pixels:
            message = f"{cause}{width}x{height} pixels; a frame may have {self.pixels} (Limits.pixels)"
            raise VideoTooLargeError(message, path=path)

    def check_length(self, frames: int, duration_s: float | None, path: str) -> None:
        """Raise VideoTooLargeError if there are too many frames or seconds."""
        if frames > self.frames:
            message = f"at least {frames} frames; {self.frames} are allowed (Limits.frames)"
            raise VideoTooLargeError(message, path=path)
        if duration_s is not None and duration_s > self.duration_s:
            message = f"{duration_s:.1f} s long; {self.duration_s:.1f} s are allowed (Limits.duration_s)"
            raise VideoTooLargeError(message, path=path)


def local_file(path: str | os.PathLike[str]) -> str:
    """The address to open for a file on this machine.

    Raises:
        CannotOpenError: it is not a file here; addresses such as "http://..." never are.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        if os.path.isdir(name):
            raise CannotOpenError("no such local file: it is a folder; name one video in it", path=str(name))
        hint = "check the path, and download the video first if it is an address"
        raise CannotOpenError(f"no such local file; {hint}", path=str(name))
    # The explicit protocol keeps a name such as "concat:a" from being read as a protocol of its own.
    return "file:" + os.path.abspath(name)


def check_memory(frames: int, height: int, width: int, *, max_bytes: int, path: str) -> None:
    """Raise VideoTooLargeError if this many RGB frames do not fit in `max_bytes`."""
    needed = frames * height * width * 3
    if needed > max_bytes:
        message = (
            f"{frames} frames of {width}x{height} need {needed / 2**30:.2f} GiB, above max_bytes "
            f"({max_bytes / 2**30:.2f} GiB); use iter_video(path, fps=...) to read block by block, or a lower fps "
            "or short_side"
        )
        raise VideoTooLargeError(message, path=path)


def frames_within(max_bytes: int, height: int, width: int) -> int:
    """How many RGB frames fit, 1 or more (a single one that does not is refused later)."""
    return max(1, max_bytes // max(height * width * 3, 1))
