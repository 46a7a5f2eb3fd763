"""Where a store lies, and how much room it takes."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

CACHE = ".cache"


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
