"""Videos with their sentences: what every data set of captions becomes, and where its files are."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.pipeline.sources import SUFFIXES

_log = logging.getLogger("vidskim")


@dataclass(frozen=True)
class CaptionedVideos:
    """Videos and the sentences that belong to each.

    Args:
        videos: names, as the data set has them, each once.
        texts: sentences, or paragraphs.
        owners: number of each text's video.
        end_s: only the first seconds of each video are used, or None for all of it.
        origins: the recording each video is cut from, where several may be of one; None where each is its own.
    """

    videos: tuple[str, ...]
    texts: tuple[str, ...]
    owners: tuple[int, ...]
    end_s: float | None = None
    origins: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.videos)

    @classmethod
    def of(
        cls,
        rows: Iterable[tuple[str, str]],
        *,
        end_s: float | None = None,
        origin: Callable[[str], str] | None = None,
    ) -> "CaptionedVideos":
        """From rows of video and sentence; blanks around and between words are made one.

        Sentences without words, of which released files have a few, are left out with a warning.

        Args:
            rows: those of one video need not follow each other.
            end_s: as the field.
            origin: the recording a video is cut from, by its name.

        Raises:
            SettingsError: no sentences, or one without a video.
        """
        numbers: dict[str, int] = {}
        texts, owners, wordless = [], [], []
        for video, text in rows:
            words = " ".join(text.split())
            if not video:
                raise SettingsError(f"a sentence without a video: {text!r}")
            if not words:
                wordless.append(video)
                continue
            owners.append(numbers.setdefault(video, len(numbers)))
            texts.append(words)
        if wordless:
            _log.warning(
                "%d sentences have no words and are left out, the first of video %s",
                len(wordless),
                wordless[0],
            )
        if not texts:
            raise SettingsError("there are no sentences")
        origins = None if origin is None else tuple(map(origin, numbers))
        return cls(tuple(numbers), tuple(texts), tuple(owners), end_s, origins)

    def joined(self) -> "CaptionedVideos":
        """All sentences of a video as one paragraph, in their order."""
        paragraphs: list[list[str]] = [[] for _ in self.videos]
        for text, owner in zip(self.texts, self.owners, strict=True):
            paragraphs[owner].append(text)
        return replace(self, texts=tuple(map(" ".join, paragraphs)), owners=tuple(range(len(self))))

    def part(self, places: Sequence[int]) -> "CaptionedVideos":
        """Some of the videos, with their sentences."""
        new = {old: number for number, old in enumerate(places)}
        kept = [
            (text, new[owner]) for text, owner in zip(self.texts, self.owners, strict=True) if owner in new
        ]
        return replace(
            self,
            videos=tuple(self.videos[place] for place in places),
            texts=tuple(text for text, _ in kept),
            owners=tuple(owner for _, owner in kept),
            origins=None if self.origins is None else tuple(self.origins[place] for place in places),
        )

    def locate(self, folder: Path) -> tuple["CaptionedVideos", tuple[Path, ...], tuple[str, ...]]:
        """Those videos whose files are there.

        A name may be a path in the folder. Else a file counts by its name with or without suffix, wherever it lies in
        the folder, and also with a "v_" before, as ActivityNet's files may have it.

        Returns:
            The videos that are there, a path for each, and the names of those that are not.

        Raises:
            SettingsError: there is no such folder, not one of the videos is in it, or a name may be that of several
                files in several folders, or two names are of one file.
        """
        if not folder.is_dir():
            raise SettingsError(f"{folder}: no such folder of videos")
        files = _files_by_name(folder)
        found: dict[Path, int] = {}
        missing = []
        for place, name in enumerate(self.videos):
            path = _find_file(name, folder, files)
            if path is None:
                missing.append(name)
            elif (other := found.setdefault(path, place)) != place:
                raise SettingsError(f"{self.videos[other]} and {name} are both {path}; leave one of them out")
        if not found:
            raise SettingsError(
                f"{folder}: none of the {len(self)} videos is there, such as {', '.join(self.videos[:3])}"
            )
        return self.part(list(found.values())), tuple(found), tuple(missing)


def without_times(name: str) -> str:
    """The recording of a clip named by it and the clip's start and end: "G9z_1_11" is of "G9z"."""
    return re.sub(r"_\d+_\d+$", "", name)


def _files_by_name(folder: Path) -> dict[str, list[Path]]:
    """Videos in a folder at any depth, by name with and without suffix."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            for key in {path.name, path.stem}:
                files.setdefault(key, []).append(path)
    return files


def _find_file(name: str, folder: Path, files: Mapping[str, list[Path]]) -> Path | None:
    """The file of a video, or None.

    Raises:
        SettingsError: it may be one of several.
    """
    if (folder / name).is_file():
        return folder / name
    bare = Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name
    known = next((files[key] for key in (name, bare, f"v_{name}") if key in files), [])
    if len({path.parent for path in known}) > 1:
        raise SettingsError(
            f"{name} may be {' or '.join(map(str, known[:3]))}; name videos by their paths in {folder}"
        )
    return known[0] if known else None
