"""Videos with their sentences: what every data set of captions becomes, and where its files are."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.pipeline.sources import SUFFIXES


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

        Args:
            rows: those of one video need not follow each other.
            end_s: as the field.
            origin: the recording a video is cut from, by its name.

        Raises:
            SettingsError: no rows, or a row without a video or without words.
        """
        numbers: dict[str, int] = {}
        texts, owners = [], []
        for video, text in rows:
            words = " ".join(text.split())
            if not video or not words:
                raise SettingsError(f"a sentence without a video or without words: {video!r}, {text!r}")
            owners.append(numbers.setdefault(video, len(numbers)))
            texts.append(words)
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

        A file counts by its name with or without suffix, wherever it lies in the folder, and also with a "v_" before,
        as ActivityNet's files may have it.

        Returns:
            The videos that are there, a path for each, and the names of those that are not.

        Raises:
            SettingsError: there is no such folder, or not one of the videos is in it.
        """
        if not folder.is_dir():
            raise SettingsError(f"{folder}: no such folder of videos")
        files: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                files.setdefault(path.name, path)
                files.setdefault(path.stem, path)
        found = []
        for place, name in enumerate(self.videos):
            known = next((key for key in (name, Path(name).stem, f"v_{name}") if key in files), None)
            if known is not None:
                found.append((place, files[known]))
        if not found:
            raise SettingsError(
                f"{folder}: none of the {len(self)} videos is there, such as {', '.join(self.videos[:3])}"
            )
        there = {place for place, _ in found}
        missing = tuple(name for place, name in enumerate(self.videos) if place not in there)
        return self.part([place for place, _ in found]), tuple(path for _, path in found), missing


def without_times(name: str) -> str:
    """The recording of a clip named by it and the clip's start and end: "G9z_1_11" is of "G9z"."""
    return re.sub(r"_\d+_\d+$", "", name)
