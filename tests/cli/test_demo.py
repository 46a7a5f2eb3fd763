"""vidskim demo, shortened."""

import json
from pathlib import Path

import pytest

from vidskim.cli.main import main


def test_the_demo_compares_all_methods(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["demo", "--out", str(tmp_path), "--seconds", "2", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert exit_info.value.code == 0
    rows = {row["method"]: row for row in document["methods"]}
    assert list(rows) == ["full", "copy", "interpolate", "residual", "reuse"]
    assert {row["frames"] for row in rows.values()} == {18}
    assert rows["full"]["cosine"] is None
    assert all(-1 <= row["cosine"] <= 1.0001 for name, row in rows.items() if name != "full")
    assert rows["copy"]["macs_share"] < rows["residual"]["macs_share"] < rows["reuse"]["macs_share"] < 1
    assert all((tmp_path / method / "busy.mp4.safetensors").exists() for method in rows)
