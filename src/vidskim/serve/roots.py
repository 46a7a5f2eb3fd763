"""The folders whose files may be served and indexed, whatever a path says; checked after symbolic links."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.serve.refusal import RefusedError


class Roots:
    """Folders with a label each: outside the server a file is known as "label/folder/clip.mp4"."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Resolve the folders now; a link that is changed later changes nothing.

        Raises:
            SettingsError: one is no folder.
        """
        self._folders: dict[str, Path] = {}
        for folder in outermost(folders):
            if not folder.is_dir():
                raise SettingsError(f"no such folder: {folder}; a root must exist when the server starts")
            stem = folder.name or "root"
            label, number = stem, 2
            while label in self._folders:
                label, number = f"{stem}-{number}", number + 1
            self._folders[label] = folder

    @property
    def labels(self) -> list[str]:
        """Of the folders."""
        return list(self._folders)

    @property
    def folders(self) -> list[Path]:
        """Where they lie."""
        return list(self._folders.values())

    def file(self, path: str) -> Path:
        """Where a stored path leads to, if that may be served.

        Raises:
            RefusedError: there is no such regular file, or it lies outside.
        """
        try:
            real = Path(path).resolve(strict=True)
            mode = real.stat().st_mode
        except (OSError, ValueError, RuntimeError):  # a circle of links is a RuntimeError
            raise RefusedError(
                "file_gone", "the file is no longer where it was when it was indexed; index its folder again"
            ) from None
        if not self._holds(real) or not stat.S_ISREG(mode):
            raise RefusedError(
                "outside_roots", "the file lies outside the folders that are served; --root FOLDER adds one"
            )
        return real

    def folder(self, place: str) -> Path:
        """The folder behind a label and what follows it, such as "clips/2024".

        Raises:
            RefusedError: there is none, or it lies outside.
        """
        label, _, rest = place.strip("/").partition("/")
        parts = rest.split("/") if rest else []
        unusable = any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)
        if label not in self._folders or unusable:
            raise RefusedError(
                "not_found",
                f"no folder {place[:200]!r}; it begins with one of: {', '.join(self._folders) or 'none'}",
            )
        try:
            real = self._folders[label].joinpath(*parts).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            raise RefusedError("not_found", f"no folder {place[:200]!r}") from None
        if not self._holds(real):
            raise RefusedError("outside_roots", f"{place[:200]!r} leads outside the folders that are served")
        if not real.is_dir():
            raise RefusedError("not_found", f"no folder {place[:200]!r}")
        return real

    def place(self, path: str) -> str:
        """A stored path as it is known outside; its name alone if it lies in none of the folders."""
        for known in (path, os.path.realpath(path)):
            for label, folder in self._folders.items():
                if known.startswith(f"{folder}{os.sep}"):
                    return f"{label}/{Path(known).relative_to(folder).as_posix()}"
        return path.rstrip("/").rsplit("/", 1)[-1]

    def _holds(self, real: Path) -> bool:
        return any(real == folder or real.is_relative_to(folder) for folder in self._folders.values())


def outermost(folders: Iterable[Path]) -> list[Path]:
    """Resolved, each once, without those that lie in another."""
    real = sorted({folder.resolve() for folder in folders})
    kept: list[Path] = []
    for folder in real:  # a folder sorts before what lies in it
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept
