"""Captions of a user's videos, from a table or from text files beside them; their vectors are kept in a cache."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from vidskim.disk import writing
from vidskim.errors import SettingsError

FILE = "captions.safetensors"
SIDECAR = ".txt"


def read_captions(table: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """Captions by video out of a table with the columns "video" and "caption".

    Args:
        table: CSV with a header, or JSON lines; several rows of one video are several captions.
        names: of the videos in the run; a row may also give the file name alone, with or without suffix.

    Returns:
        Captions of those videos that have any.

    Raises:
        SettingsError: the table cannot be read, or lacks a column.
    """
    rows = list(_rows(table))
    by_name: dict[str, list[str]] = {}
    for row in rows:
        by_name.setdefault(row["video"], []).append(row["caption"])
    found = {}
    for name in names:
        path = Path(name)
        for key in (name, path.name, path.stem):
            if key in by_name:
                found[name] = by_name[key]
                break
    return found


def read_sidecars(videos: Mapping[str, Path]) -> dict[str, list[str]]:
    """Captions by video out of text files beside the videos: clip.txt of clip.mp4, a caption a line.

    Args:
        videos: paths by name.
    """
    found = {}
    for name, path in videos.items():
        file = path.with_suffix(SIDECAR)
        if file.is_file():
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
            found[name] = [line for line in lines if line]
    return {name: captions for name, captions in found.items() if captions}


def embed_captions(
    captions: Mapping[str, Sequence[str]],
    folder: Path,
    *,
    encode: Callable[[Sequence[str]], Tensor],
    model: str,
) -> dict[str, Tensor]:
    """Unit vectors [c, d] of each video's captions, encoded once: the next call reads them from `folder`.

    Args:
        captions: by video.
        folder: of the cache.
        encode: texts to unit vectors [c, d].
        model: what tells the encoder from others.
    """
    texts = sorted({text for several in captions.values() for text in several})
    key = hashlib.sha256(json.dumps([model, texts]).encode()).hexdigest()
    vectors = _cached(folder / FILE, key)
    if vectors is None:
        vectors = encode(texts)
        with writing(folder / FILE) as file:
            file.write(safetensors.torch.save({"vectors": vectors.contiguous()}, metadata={"key": key}))
    row = {text: number for number, text in enumerate(texts)}
    return {name: vectors[[row[text] for text in several]] for name, several in captions.items()}


def _cached(path: Path, key: str) -> Tensor | None:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return file.get_tensor("vectors") if (file.metadata() or {}).get("key") == key else None
    except (safetensors.SafetensorError, OSError):
        return None


def _rows(table: Path) -> Iterable[dict[str, str]]:
    """Rows that have both columns.

    Raises:
        SettingsError: one has not.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
        lines = text.splitlines()
        if table.suffix.lower() == ".csv":
            rows = list(csv.DictReader(lines))
        else:
            rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read captions from {table}: {error}") from error
    for number, row in enumerate(rows, start=1):
        given = row if isinstance(row, dict) else {}
        if not all(isinstance(given.get(column), str) and given[column] for column in ("video", "caption")):
            raise SettingsError(
                f'{table}: row {number} needs "video" and "caption"; received {json.dumps(row)[:80]}. '
                "Captions are a .csv with that header, or JSON lines"
            )
        yield {"video": given["video"], "caption": given["caption"]}
