"""Which videos a run is about: files, folders and lists in; paths, names and content identities out."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.store.identity import read_ends

SUFFIXES = frozenset(
    {
        ".3gp",
        ".avi",
        ".flv",
        ".gif",
        ".h264",
        ".hevc",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
    }
    | {".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)


@dataclass(frozen=True)
class Source:
    """One input video.

    Args:
        path: where it is, as given.
        name: its path relative to the root of the run, with "/" and with its suffix: unique in a run.
    """

    path: Path
    name: str


def list_videos(inputs: Iterable[str | Path]) -> list[Path]:
    """Every video behind the inputs, in order, each once.

    Args:
        inputs: video files (any suffix), folders (searched for video suffixes, also in folders below), or
            "@list.txt": one such path a line, relative to where the command runs; "#" starts a comment.

    Raises:
        SettingsError: an input does not exist, or a folder holds no video.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        for path in _expand(str(given)):
            found.setdefault(os.path.abspath(path), path)
    return list(found.values())


def _expand(given: str) -> list[Path]:
    if given.startswith("@"):
        try:
            text = Path(given[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"cannot read the list {given[1:]}: {error.strerror}") from error
        lines = [line.strip() for line in text.splitlines()]
        return [path for line in lines if line and not line.startswith("#") for path in _listed(line)]
    path = Path(given)
    if path.is_dir():
        videos = videos_in(path)
        if not videos:
            raise SettingsError(f"no video in {given}; looked for {' '.join(sorted(SUFFIXES))}")
        return videos
    if not path.exists():
        raise SettingsError(f"no such file or folder: {given}")
    return [path]


def _listed(line: str) -> list[Path]:
    """A line of a list: a missing file stays in, and is counted as failed when its turn comes."""
    path = Path(line)
    return videos_in(path) if path.is_dir() else [path]


def videos_in(folder: Path) -> list[Path]:
    """Every file in a folder and below that is named like a video, in order; hidden ones are none."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def root_of(inputs: Iterable[str | Path], videos: Sequence[Path]) -> Path:
    """The folder that output names are relative to: a single folder given, else what all videos share."""
    given = list(inputs)
    if len(given) == 1 and Path(given[0]).is_dir():
        return Path(os.path.abspath(given[0]))
    return shared_root(videos)


def shared_root(videos: Sequence[Path]) -> Path:
    """The deepest folder that holds all videos."""
    return Path(
        os.path.commonpath([os.path.dirname(os.path.abspath(video)) for video in videos] or [os.getcwd()])
    )


def name_sources(videos: Sequence[Path], *, root: Path) -> list[Source]:
    """Give each video its name below the root.

    Raises:
        SettingsError: a video lies outside the root, or is listed twice.
    """
    sources: dict[str, Source] = {}
    for video in videos:
        name = printable(Path(os.path.relpath(video, root)).as_posix())
        if name.startswith("../"):
            raise SettingsError(
                f"{video} is not below {root}; leave root out, or give a folder that holds all videos"
            )
        if name in sources:
            raise SettingsError(f"{video} is listed twice")
        sources[name] = Source(path=video, name=name)
    return list(sources.values())


def printable(path: str | Path) -> str:
    """A path as text that any file can hold: bytes that are not UTF-8 become escapes such as "\\udce9"."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def source_id(path: Path) -> str:
    """Content identity: size in bytes, modification time in ns, and sha256 of the first and last 64 KiB."""
    state = path.stat()
    with path.open("rb") as file:
        ends = hashlib.sha256(read_ends(file, state.st_size)).hexdigest()
    return f"{state.st_size}-{state.st_mtime_ns}-{ends[:32]}"
