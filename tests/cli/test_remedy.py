"""Command lines that would go through."""

from pathlib import Path

import pytest

from vidskim.cli.remedy import remedy_lines


@pytest.mark.parametrize("given", [["--store", "old one"], ["--store=old one"], []])
def test_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old one-2").mkdir()
    arguments = ["index", "clips", *given, "--json"]
    lines = remedy_lines(arguments, option="--store", place=Path("old one"), replace="--reindex")
    assert lines[1] == "  vidskim index clips --json --store 'old one-3'"
    assert lines[3].endswith("--json --reindex")
    assert len(remedy_lines(arguments, option="--store", place=Path("x"), replace=None)) == 2


def test_a_uri_stays_one() -> None:
    lines = remedy_lines(["index", "clips"], option="--store", place="s3://b/s/", replace=None)
    assert lines[1] == "  vidskim index clips --store s3://b/s-2"


def test_without_a_command_line_there_is_nothing_to_say() -> None:
    assert remedy_lines(None, option="--out", place=Path("x"), replace=None) == []
