"""The columns of the tables, and records to rows and back.

about: one row. videos: one row a video; a video exists for readers from the moment its row does. frames: one row a
frame; `entry` names the video's row it belongs to, and rows of an entry that no video names do not count. In a store
that keeps them, levels: one row, what the vectors of segments and whole videos have in common; segments and wholes:
their rows, with the columns of frames.
"""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from vidskim.errors import StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.store.identity import Identity
from vidskim.store.records import About, Frames, StoredVideo

FORMAT = 1
ABOUT, VIDEOS, FRAMES = "about", "videos", "frames"
LEVELS, SEGMENTS, WHOLES = "levels", "segments", "wholes"

ABOUT_SCHEMA = pa.schema(
    [
        ("format", pa.int32()),
        ("store", pa.string()),
        ("fingerprint", pa.string()),
        ("dimensions", pa.int32()),
        ("created_at", pa.string()),
        ("origin", pa.string()),
    ]
)
SEGMENT_COUNT = pa.field(
    "segments", pa.int64()
)  # null: none; stores made before there were any lack the column
VIDEO_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("entry", pa.string()),
        ("path", pa.string()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("head_tail_hash", pa.string()),
        ("duration_s", pa.float64()),
        ("frames", pa.int64()),
        ("fps", pa.float64()),
        ("fingerprint", pa.string()),
        ("notes", pa.string()),
        ("indexed_at", pa.string()),
        SEGMENT_COUNT,
    ]
)


def frame_schema(dimensions: int) -> pa.Schema:
    """Columns of a table of vectors of one length."""
    return pa.schema(
        [
            ("entry", pa.string()),
            ("position", pa.int32()),
            ("start_s", pa.float64()),
            ("end_s", pa.float64()),
            ("kind", pa.string()),
            ("vector", pa.list_(pa.float32(), dimensions)),
        ]
    )


def about_row(about: About) -> pa.Table:
    """The one row of the about table, or of the levels table."""
    row = {
        "format": FORMAT,
        "store": about.store,
        "fingerprint": about.fingerprint.to_json(),
        "dimensions": about.dimensions,
        "created_at": about.created_at,
        "origin": json.dumps(dict(about.origin), sort_keys=True),
    }
    return pa.Table.from_pylist([row], schema=ABOUT_SCHEMA)


def about_record(rows: list[dict[str, Any]], *, uri: str) -> About:
    """Read the about table, or the levels table.

    Raises:
        StoreError: it is empty, of another format, or not ours.
    """
    try:
        (row,) = rows
        if row["format"] != FORMAT:
            raise StoreError(
                f"{uri} is a store of format {row['format']}, this version reads {FORMAT}; "
                "use the vidskim version that wrote it, or index into another folder"
            )
        fingerprint = Fingerprint.from_json(row["fingerprint"])
        origin = json.loads(row["origin"])
        return About(row["store"], fingerprint, row["dimensions"], row["created_at"], origin)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{uri} holds no readable `about` table: {error}; index into another folder"
        ) from error


def video_row(video: StoredVideo) -> pa.Table:
    """One row of the videos table."""
    row = {
        "id": video.id,
        "entry": video.entry,
        "path": video.path,
        "name": video.name,
        "size": video.identity.size,
        "mtime_ns": video.identity.mtime_ns,
        "head_tail_hash": video.identity.head_tail_hash,
        "duration_s": float(video.duration_s),
        "frames": video.frames,
        "fps": video.fps,
        "fingerprint": video.fingerprint,
        "notes": json.dumps(dict(video.notes), sort_keys=True),
        "indexed_at": video.indexed_at,
        "segments": video.segments,
    }
    return pa.Table.from_pylist([row], schema=VIDEO_SCHEMA)


def video_record(row: Mapping[str, Any]) -> StoredVideo:
    """A row of the videos table as a record."""
    plain = ("id", "entry", "path", "name", "duration_s", "frames", "fps", "fingerprint", "indexed_at")
    return StoredVideo(
        **{name: row[name] for name in plain},
        segments=row.get("segments"),
        identity=Identity(row["size"], row["mtime_ns"], row["head_tail_hash"]),
        notes=json.loads(row["notes"]),
    )


def frame_rows(frames: Frames, *, entry: str) -> pa.Table:
    """One row a frame."""
    count, dimensions = frames.vectors.shape
    columns = [
        pa.repeat(pa.scalar(entry), count),
        pa.array(range(count), pa.int32()),
        pa.array(frames.start_s),
        pa.array(frames.end_s),
        pa.array(frames.kinds.tolist(), pa.string()),
        pa.FixedSizeListArray.from_arrays(pa.array(frames.vectors.ravel()), dimensions),
    ]
    return pa.Table.from_arrays(columns, schema=frame_schema(dimensions))


def one_of(column: str, values: list[str]) -> str:
    """The SQL condition that a text column holds one of some values."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})"
