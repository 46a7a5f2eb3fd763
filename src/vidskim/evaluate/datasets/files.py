"""Annotation files by their official names, also gzipped: JSON, tables, lists of names."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

from vidskim.errors import SettingsError


def find_file(folder: Path, *names: str) -> Path:
    """The first of these names that is in the folder, as it is or with ".gz".

    Raises:
        SettingsError: none is.
    """
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise SettingsError(f"{folder}: no {' or '.join(names)}")


def read_text(path: Path) -> str:
    """A text file, UTF-8.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, EOFError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def read_json(path: Path, kind: type) -> Any:
    """A JSON document, a `dict` or a `list`.

    Raises:
        SettingsError: it is something else.
    """
    try:
        document = json.loads(read_text(path))
    except ValueError as error:
        raise SettingsError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(document, kind):
        raise SettingsError(f"{path}: expected a JSON {kind.__name__}, received {type(document).__name__}")
    return document


def read_table(path: Path, *columns: str) -> list[dict[str, str]]:
    """Rows of a comma-separated file with a header.

    Raises:
        SettingsError: a column is absent, a row is short or long, or it cannot be read as such a file.
    """
    reader = csv.DictReader(io.StringIO(read_text(path)))
    headings = reader.fieldnames or ()
    if absent := [name for name in columns if name not in headings]:
        comma = "" if len(headings) > 1 else "; commas go between columns"
        raise SettingsError(
            f"{path}: no column {', '.join(absent)}; it has {', '.join(headings) or 'nothing'}{comma}"
        )
    try:
        rows = list(reader)
    except csv.Error as error:
        raise SettingsError(f"{path}, line {reader.line_num}: cannot be read as CSV ({error})") from error
    for number, row in enumerate(rows, start=2):
        if any(row[name] is None for name in columns):
            raise SettingsError(f"{path}, line {number}: fewer columns than the header")
        if any(row.get(None, ())):
            raise SettingsError(
                f"{path}, line {number}: more columns than the header; texts with commas go between double quotes"
            )
    return rows


def read_names(path: Path) -> list[str]:
    """Names, one a line."""
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def field(record: Any, name: str, path: Path | str) -> Any:
    """A field of a JSON object.

    Raises:
        SettingsError: it has none of that name.
    """
    if not isinstance(record, dict) or name not in record:
        raise SettingsError(f"{path}: expected a record with {name!r}, received {str(record)[:80]}")
    return record[name]
