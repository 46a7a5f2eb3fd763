"""Labelled videos: folders named after classes, or a list with a path and a label a line, as data sets have it."""

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidskim.errors import SettingsError, unknown_name
from vidskim.pipeline.sources import SUFFIXES

Row = tuple[str, str]  # a path and a label, as listed

_SUFFIX = rf"(?:{'|'.join(re.escape(suffix) for suffix in sorted(SUFFIXES))})"
_VIDEO = re.compile(rf".*{_SUFFIX}", re.IGNORECASE)
_AFTER_VIDEO = re.compile(rf"(.*{_SUFFIX})[\s,]+(.+)", re.IGNORECASE)
_BEFORE_NUMBER = re.compile(r"(.*\S)[\s,]+(\d+)")


@dataclass(frozen=True)
class LabelledVideos:
    """Videos and what they show.

    Args:
        classes: names, in the order of their numbers.
        paths: one each; whether they exist is found out when they are read.
        labels: class numbers, as many as paths.
    """

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def part(self, places: Sequence[int]) -> "LabelledVideos":
        """Some of the videos, under the same classes."""
        return LabelledVideos(
            self.classes,
            tuple(self.paths[place] for place in places),
            tuple(self.labels[place] for place in places),
        )


def read_labelled(
    source: Path, *, classes: Sequence[str] | None = None, root: Path | None = None
) -> LabelledVideos:
    """Labelled videos of a folder or of a list.

    Args:
        source: a folder of folders named after classes, or a text file with "path label" a line. Between the two are
            spaces, a tab or a comma; either may be quoted. The label is a class number from 0, or a name. A first line
            that only names the columns is left out.
        classes: names in the order of their numbers; None takes the names found, sorted, or numbers as names.
        root: what paths of a list are relative to; None is the list's own folder.

    Raises:
        SettingsError: nothing there, a line of another form, or a label that is no class.
    """
    if source.is_dir():
        return _read_folders(source, classes)
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read labelled videos from {source}: {error}") from error
    rows = [
        _split(line.strip(), f"{source}, line {number}", classes or ())
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    rows = rows[_has_header(rows, classes or ()) :]
    if not rows:
        raise SettingsError(f"{source}: empty; expected lines such as 'clips/a.mp4 3'")
    folder = source.parent if root is None else root
    names = [label for _, label in rows]
    known = tuple(classes) if classes is not None else _find_classes(names)
    return LabelledVideos(
        known, tuple(folder / path for path, _ in rows), tuple(_number(name, known, source) for name in names)
    )


def read_classes(path: Path) -> tuple[str, ...]:
    """Names of classes from a text file, one a line, in the order of their numbers.

    Raises:
        SettingsError: it cannot be read, is empty, or names a class twice.
    """
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read names of classes from {path}: {error}") from error
    if not names or len(set(names)) != len(names):
        raise SettingsError(
            f"{path}: expected names of classes, one a line, none twice; received {names[:5]}"
        )
    return tuple(names)


def _read_folders(source: Path, classes: Sequence[str] | None) -> LabelledVideos:
    found = [
        (path, folder.name)
        for folder in sorted(source.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        raise SettingsError(
            f"{source}: no videos in folders named after classes, such as {source / 'jumping' / 'a.mp4'}"
        )
    names = [name for _, name in found]
    known = tuple(classes) if classes is not None else tuple(sorted(set(names)))
    return LabelledVideos(
        known, tuple(path for path, _ in found), tuple(_number(name, known, source) for name in names)
    )


def _split(line: str, place: str, classes: Collection[str]) -> Row:
    """ "a b.mp4 3" -> ("a b.mp4", "3"), of all ways to read the line the one that most speaks for."""
    rows: list[Sequence[str]] = [
        next(csv.reader([line], delimiter=mark, skipinitialspace=True)) for mark in ("\t", ",", " ")
    ]
    rows += [found.groups() for form in (_AFTER_VIDEO, _BEFORE_NUMBER) if (found := form.fullmatch(line))]
    pairs = [(row[0].strip(), row[1].strip()) for row in rows if len(row) == 2]
    whole = [pair for pair in pairs if all(pair)]
    if not whole:
        raise SettingsError(f"{place}: expected a path and a label, received {line[:80]!r}")
    return max(whole, key=lambda row: _signs(row, classes))


def _signs(row: Row, classes: Collection[str]) -> tuple[bool, bool, bool]:
    """What tells that a line was read rightly, the strongest sign first; names may have commas and spaces."""
    path, label = row
    return label in classes, _VIDEO.fullmatch(path) is not None, label.isdecimal()


def _has_header(rows: Sequence[Row], classes: Collection[str]) -> bool:
    """Whether the first line is such as "path,label": two bare words, where every other line has a video or a class."""
    if len(rows) < 2 or any(_signs(rows[0], classes)) or not all(word.isidentifier() for word in rows[0]):
        return False
    return all(any(_signs(row, classes)) for row in rows[1:])


def _find_classes(names: Sequence[str]) -> tuple[str, ...]:
    if all(name.isdecimal() for name in names):
        return tuple(str(number) for number in range(max(map(int, names)) + 1))
    return tuple(sorted(set(names)))


def _number(name: str, classes: Sequence[str], source: Path) -> int:
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    raise SettingsError(f"{source}: {unknown_name('class', name, classes)}")
