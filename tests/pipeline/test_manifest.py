"""Line records survive cuts at any byte."""

from pathlib import Path

import pytest

from vidskim.pipeline.manifest import append_line, read_lines, replace_lines

RECORDS = [{"name": "a\nb", "n": 1}, {"name": "é", "n": 2.5}, {"name": "c", "health": {"x": None}}]


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    assert read_lines(path) == []
    for record in RECORDS:
        append_line(path, record)
    assert read_lines(path) == RECORDS
    before = path.stat().st_mtime_ns
    replace_lines(path, RECORDS)
    assert path.stat().st_mtime_ns == before
    replace_lines(path, RECORDS[1:])
    assert read_lines(path) == RECORDS[1:]


def test_a_cut_at_any_byte_costs_at_most_one_record(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    replace_lines(path, RECORDS)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read_lines(path) == RECORDS[: whole[:length].count(b"\n")]


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\n", b"{]\n", b"[1, 2]\n", b"\n"])
def test_rubbish_lines_are_left_out(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "m.jsonl"
    replace_lines(path, RECORDS[:1])
    path.write_bytes(rubbish + path.read_bytes())
    assert read_lines(path) == RECORDS[:1]
