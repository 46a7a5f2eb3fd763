"""Records become rows and come back the same."""

import re

import numpy as np
import pytest
from tests.store.conftest import FINGERPRINT, frames

from vidskim.errors import StoreError
from vidskim.store.identity import Identity
from vidskim.store.records import About, StoredVideo
from vidskim.store.schema import about_record, about_row, frame_rows, one_of, video_record, video_row

VIDEO = StoredVideo(
    id="0123456789ab",
    path="/videos/it's.mp4",
    identity=Identity(2**40, 1_700_000_000_123_456_789, "ab" * 32),
    duration_s=12.5,
    fps=None,
    notes={"damaged": True, "bad packets": 3},
    frames=7,
    fingerprint="f" * 16,
    indexed_at="2026-01-01T00:00:00+00:00",
    entry="e" * 32,
)


def test_a_video_comes_back_the_same() -> None:
    assert video_record(video_row(VIDEO).to_pylist()[0]) == VIDEO


def test_what_a_store_is_about_comes_back_the_same() -> None:
    about = About("s" * 32, FINGERPRINT, 512, "2026-01-01T00:00:00+00:00", {"model": "demo"})
    assert about_record(about_row(about).to_pylist(), uri="x") == about


def test_frames_become_one_row_each() -> None:
    held = frames(3, seed=0)
    rows = frame_rows(held, entry="e").to_pylist()
    assert [row["position"] for row in rows] == [0, 1, 2]
    assert {row["entry"] for row in rows} == {"e"}
    assert [row["kind"] for row in rows] == ["I", "P", "I"]
    assert np.array_equal(np.array([row["vector"] for row in rows], np.float32), held.vectors)


def test_another_format_is_refused() -> None:
    (row,) = about_row(About("s", FINGERPRINT, 8, "now")).to_pylist()
    row["format"] = 99
    with pytest.raises(
        StoreError, match="library is a store of format 99, this version reads 1; use the vidskim"
    ):
        about_record([row], uri="library")


def test_another_table_is_refused() -> None:
    with pytest.raises(StoreError, match=re.escape("library holds no readable `about` table: 'format'")):
        about_record([{"x": 1}], uri="library")
    with pytest.raises(StoreError, match="not enough values"):
        about_record([], uri="library")


def test_quotes_in_values_are_safe() -> None:
    assert one_of("path", ["it's", "b"]) == "path IN ('it''s', 'b')"
