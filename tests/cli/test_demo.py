"""vidskim demo, shortened."""

import json
from pathlib import Path

import pytest

from vidskim.cli.demo import METHODS
from vidskim.cli.main import main


def run(capsys: pytest.CaptureFixture[str], out: Path) -> dict:  # type: ignore[type-arg]
    with pytest.raises(SystemExit) as exit_info:
        main(["demo", "--out", str(out), "--videos", "3", "--json"])
    captured = capsys.readouterr()
    assert exit_info.value.code == 0, captured.err
    return json.loads(captured.out)


def test_the_demo_indexes_searches_and_checks_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = run(capsys, tmp_path)
    assert report["index"]["done"] == report["index"]["listed"] == 3
    answers = report["answers"]
    assert [answer["kind"] for answer in answers] == ["search"] * 4 + ["ground"] * 3
    assert sum(answer["right"] for answer in answers) >= len(answers) - 2
    assert answers[3]["right"], "what is not there must not be found"
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert page.count("data:image/jpeg;base64,") >= 6
    assert all(answer["query"] in page for answer in answers)
    again = run(capsys, tmp_path)
    assert (again["index"]["done"], again["index"]["skipped"]) == (0, 3)
    assert again["answers"] == answers


def test_the_demo_compares_all_methods(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = {row["method"]: row for row in run(capsys, tmp_path)["methods"]}
    assert list(rows) == list(METHODS)
    share = {name: int(row["MACs"].rstrip("%")) for name, row in rows.items()}
    cosine = {name: float(row["cosine"]) for name, row in rows.items() if row["cosine"]}
    assert share["full"] == 100
    assert share["copy"] < share["residual"] < 60
    assert cosine["reuse"] > cosine["reuse, random patches"] > 0.5
    assert cosine["reuse"] > cosine["interpolate"] > cosine["copy"]
