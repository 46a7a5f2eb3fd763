"""Records kept line by line as JSON: a kill at any moment costs at most the line being written."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vidskim.disk import sync_folder, writing

Record = dict[str, Any]


def read_lines(path: Path) -> list[Record]:
    """The whole records of a file; a missing file has none, a cut or unreadable line is left out."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [record for line in lines if (record := _parse(line)) is not None]


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def replace_lines(path: Path, records: Iterable[Record]) -> None:
    """Write the file anew, whole or not at all; with the same content it is left alone."""
    data = b"".join(map(_line, records))
    if path.exists() and path.read_bytes() == data:
        return
    with writing(path) as file:
        file.write(data)


def append_line(path: Path, record: Record) -> None:
    """Add one record and wait until it is on disk."""
    fresh = not path.exists()
    with path.open("ab") as file:
        file.write(_line(record))
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        sync_folder(path.parent)


def _line(record: Record) -> bytes:
    return json.dumps(record, sort_keys=True).encode() + b"\n"
