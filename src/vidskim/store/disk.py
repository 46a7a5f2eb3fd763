"""Files beside the tables: where a store lies, its lock, and files that appear whole or not at all."""

import errno
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlparse

from vidskim.errors import StoreBusyError

LOCK = ".lock"
CACHE = ".cache"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Location:
    """Where a store lies.

    Args:
        uri: what the database is opened by: an absolute folder, or an object-store URI such as "s3://bucket/store".
        folder: the same as a path, or None for an object store.
        cache: folder for files that can be made again: inside a local store, else in the user's cache folder.
    """

    uri: str
    folder: Path | None
    cache: Path

    @classmethod
    def of(cls, uri: str | Path) -> "Location":
        """Read a folder, a file:// URI or an object-store URI."""
        text = str(uri)
        if text.startswith("file://"):
            text = unquote(urlparse(text).path)
        if "://" in text:
            text = text.rstrip("/")
            return cls(uri=text, folder=None, cache=user_cache(text))
        folder = Path(os.path.abspath(Path(text).expanduser()))
        return cls(uri=str(folder), folder=folder, cache=folder / CACHE)


def user_cache(uri: str) -> Path:
    """The cache folder of one store outside the store: below $XDG_CACHE_HOME, else below ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "vidskim" / "stores" / hashlib.sha256(uri.encode()).hexdigest()[:16]


def bytes_below(folder: Path) -> int:
    """Bytes of all files in a folder and below; files that vanish meanwhile do not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return total


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name only when complete and on disk; after an error nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if os.name != "nt":
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked(folder: Path, *, wait_s: float) -> Iterator[None]:
    """Hold a folder's lock. It ends with the process, however that ends; threads exclude each other too.

    Args:
        folder: is made if it is missing.
        wait_s: seconds to wait for another holder.

    Raises:
        StoreBusyError: another process or thread held it all that time.
    """
    if os.name == "nt":
        yield
        return
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    until, told = time.monotonic() + wait_s, False
    with (folder / LOCK).open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise StoreBusyError(
                        f"another process has been writing to {folder} for {wait_s:g} s; "
                        "wait for it to end, and try again"
                    ) from None
                if not told:
                    _logger.warning("another process is writing to %s; waiting for it", folder)
                    told = True
                time.sleep(0.02)
            except OSError as error:
                if error.errno not in (
                    errno.ENOLCK,
                    errno.ENOTSUP,
                ):  # a file system without locks goes without
                    raise
                break
        yield
