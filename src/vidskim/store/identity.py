"""Content identity: is a file the one that was indexed, a changed one, or one that only moved?"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vidskim.errors import SettingsError

END_BYTES = 64 * 1024


@dataclass(frozen=True)
class Identity:
    """What tells one file from another without reading it whole.

    Args:
        size: bytes.
        mtime_ns: modification time in nanoseconds.
        head_tail_hash: sha256 (hex) of the first and the last 64 KiB and the size.
    """

    size: int
    mtime_ns: int
    head_tail_hash: str

    def __post_init__(self) -> None:
        if self.size < 0:
            raise SettingsError(f"Identity.size must be 0 or more bytes, received {self.size}")
        if not self.head_tail_hash:
            raise SettingsError("Identity.head_tail_hash is empty; identify(path) makes one")

    def same_content(self, other: "Identity") -> bool:
        """Whether size, head and tail agree; the modification time may differ, as after a copy."""
        return (self.size, self.head_tail_hash) == (other.size, other.head_tail_hash)


def identify(path: str | Path) -> Identity:
    """Read a file's identity: at most 128 KiB of it.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        state = os.fstat(file.fileno())
        digest = hashlib.sha256(str(state.st_size).encode() + b"\n")
        digest.update(read_ends(file, state.st_size))
    return Identity(state.st_size, state.st_mtime_ns, digest.hexdigest())


def read_ends(file: BinaryIO, size: int) -> bytes:
    """The first and the last 64 KiB of an open file of `size` bytes, no byte twice."""
    head = file.read(END_BYTES)
    file.seek(max(END_BYTES, size - END_BYTES))
    return head + file.read(END_BYTES)


def is_gone(path: str) -> bool:
    """Whether a local path no longer exists; of a URI nobody can say, so it counts as still there."""
    return "://" not in path and not os.path.exists(path)
