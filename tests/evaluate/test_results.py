"""What a calibration leaves in its folder."""

from pathlib import Path

import pytest

from vidskim.errors import VidskimError
from vidskim.evaluate import results
from vidskim.evaluate.calibrate import Report
from vidskim.evaluate.results import write_results
from vidskim.pipeline.calibration import read_calibration
from vidskim.pipeline.encoder import VideoEncoder

NAMES = {
    "settings": "calibration.json",
    "table": "table.txt",
    "numbers": "table.csv",
    "picture": "pareto.png",
}


def test_the_settings_file_holds_the_choice_and_its_numbers(
    tmp_path: Path, report: Report, demo: VideoEncoder
) -> None:
    chosen, files = write_results(tmp_path / "out", report, encoder=demo, source="demo", budget=0.4)
    assert chosen is report.measurements[3]
    assert files == {kind: str(tmp_path / "out" / name) for kind, name in NAMES.items()}
    calibration = read_calibration(tmp_path / "out" / "calibration.json")
    assert (calibration.method, calibration.settings) == ("reuse", {"interleave": 3, "threshold": 0.06})
    assert (calibration.source, calibration.fps, calibration.tokenizer) == ("demo", 3.0, None)
    assert calibration.measured["cosine"] == 0.97
    assert calibration.measured["budget"] == 0.4
    assert calibration.measured["machine"] == {"device": "cpu", "dtype": "float32", "threads": 2}
    assert calibration.measured["summary"].startswith("At 38% of the compute")
    calibration.require(demo.fingerprint)
    table = (tmp_path / "out" / "table.txt").read_text()
    assert "2 of 40 videos, 110 frames" in table
    assert "* reuse (interleave 3, threshold 0.06)" in table


def test_nothing_within_the_budget_leaves_tables_and_no_settings(
    tmp_path: Path, report: Report, demo: VideoEncoder
) -> None:
    write_results(tmp_path, report, encoder=demo, source="demo", budget=0.4)
    with pytest.raises(VidskimError, match=r"the cheapest found is interpolate .*measured is in "):
        write_results(tmp_path, report, encoder=demo, source="demo", budget=0.3)
    assert {path.name for path in tmp_path.iterdir()} == set(NAMES.values()) - {"calibration.json"}


def test_without_matplotlib_there_is_no_picture(
    tmp_path: Path, report: Report, demo: VideoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "find_spec", lambda name: None)
    _, files = write_results(tmp_path, report, encoder=demo, source="demo", budget=0.4)
    assert "picture" not in files
    assert not (tmp_path / "pareto.png").exists()
