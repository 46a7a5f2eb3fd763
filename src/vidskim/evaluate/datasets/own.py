"""A table of one's own: a row of video, caption and perhaps origin, as CSV with a header or as JSON lines."""

import json
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
    rows = _read_lines(table) if table.suffix.lower() in LINES else read_table(table, "video", "caption")
    named = [{**row, "video": row["video"].strip()} for row in rows]
    origins = {row["video"]: row[ORIGIN] for row in named if row.get(ORIGIN)}
    pairs = ((row["video"], row["caption"]) for row in named)
    try:
        return CaptionedVideos.of(
            pairs, origin=(lambda video: origins.get(video, video)) if origins else None
        )
    except SettingsError as error:
        raise SettingsError(f"{table}: {error}") from error


def _read_lines(table: Path) -> list[dict[str, str]]:
    """Rows of JSON lines."""
    rows = []
    for number, line in enumerate(read_text(table).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{table}, line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise SettingsError(f"{place}: cannot be read as JSON ({error})") from error
        row = {"video": str(field(record, "video", place)), "caption": field(record, "caption", place)}
        if not isinstance(row["caption"], str):
            raise SettingsError(
                f"{place}: expected caption to be text, received {str(row['caption'])[:80]}; another caption of a "
                "video goes on a line of its own"
            )
        given = record.get(ORIGIN)
        rows.append(row if given in (None, "") else {**row, ORIGIN: str(given)})
    return rows
