"""A table of one's own: a row of video, caption and perhaps origin, as CSV with a header or as JSON lines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.files import field, read_table, read_text

LINES = (".jsonl", ".ndjson")
ORIGIN = "origin"


def read_own(table: Path) -> CaptionedVideos:
    """Videos and captions; several rows of one video are several captions of it.

    Args:
        table: columns, or fields, "video" and "caption"; "origin", where there is one, names the recording a video is
            cut from, so that videos of one stay together.

    Raises:
        SettingsError: not such a table.
    """
    if not table.is_file():
        raise SettingsError(f"{table}: no such table of videos and captions")
    if table.suffix.lower() not in LINES:
        return _from_rows(read_table(table, "video", "caption"))
    rows = []
    for number, line in enumerate(read_text(table).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise SettingsError(f"{table}, line {number}: cannot be read as JSON ({error})") from error
        row = {name: str(field(record, name, table)) for name in ("video", "caption")}
        rows.append(
            {**row, **({ORIGIN: str(record[ORIGIN])} if record.get(ORIGIN) not in (None, "") else {})}
        )
    return _from_rows(rows)


def _from_rows(rows: Sequence[Mapping[str, str]]) -> CaptionedVideos:
    origins = {row["video"]: row[ORIGIN] for row in rows if row.get(ORIGIN)}
    pairs = ((row["video"], row["caption"]) for row in rows)
    return CaptionedVideos.of(pairs, origin=(lambda video: origins.get(video, video)) if origins else None)
