"""Files that appear whole or not at all, and folders that one process writes to at a time."""

import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vidskim.errors import BusyError

LOCK = ".lock"
_logger = logging.getLogger(__name__)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name only when complete and on disk; after an error nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        with partial.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def partial_path(path: Path) -> Path:
    """The name a file has while it is written: one per output, so that a killed run leaves nothing behind."""
    return path.with_name(f".{path.name}.part")


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut (where the system lets a folder be opened)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a folder's lock. It ends with the process, however that ends; threads exclude each other too.

    Args:
        folder: is made if it is missing.
        wait_s: seconds to wait for another holder.

    Raises:
        BusyError: another process or thread held it all that time.
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
                    waited = f", and has been for {wait_s:g} s" if wait_s else ""
                    raise BusyError(
                        f"another process is writing to {folder}{waited}; wait for it to end, or use another folder"
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
