"""A table of one's own: a row of video and caption, as CSV with a header or as JSON lines."""

import json
from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.files import field, read_table, read_text

LINES = (".jsonl", ".ndjson")


def read_own(table: Path) -> CaptionedVideos:
    """Videos and captions; several rows of one video are several captions of it.

    Args:
        table: columns, or fields, "video" and "caption".

    Raises:
        SettingsError: not such a table.
    """
    if not table.is_file():
        raise SettingsError(f"{table}: no such table of videos and captions")
    if table.suffix.lower() not in LINES:
        rows = read_table(table, "video", "caption")
        return CaptionedVideos.of((row["video"], row["caption"]) for row in rows)
    pairs = []
    for number, line in enumerate(read_text(table).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise SettingsError(f"{table}, line {number}: cannot be read as JSON ({error})") from error
        pairs.append((str(field(record, "video", table)), str(field(record, "caption", table))))
    return CaptionedVideos.of(pairs)
