"""vidskim calibrate, from a folder of videos to settings that extract and index take."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.main import main
from vidskim.evaluate import candidates
from vidskim.evaluate.candidates import Family
from vidskim.pipeline.files import read_features
from vidskim.store.dataset import Store

Verb = Any  # see conftest


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting of two families."""
    families = (
        Family("copy", "copy", "free", interleaves=(3,)),
        Family("reuse", "reuse", dial="keep", values=(0.15,), interleaves=(3,)),
    )
    monkeypatch.setattr(candidates, "FAMILIES", families)


def test_the_settings_found_are_taken_by_extract_and_index(
    rendered: Path, tmp_path: Path, verb: Verb
) -> None:
    out = tmp_path / "calibration"
    options = ["--videos", rendered, "--out", out, "--sample", 1, "--rounds", 1, "--budget", 0.5]
    code, report, err = verb("calibrate", "--model", "demo", *options)
    assert code == 0
    assert report["summary"].startswith(f"At {report['chosen']['share']:.0%} of the compute")
    assert report["chosen"]["share"] <= 0.5
    assert report["chosen"]["method"] == "reuse"
    tried = {one["method"] for one in report["measurements"]}
    assert tried == {"full", "copy", "interpolate", "reuse", "residual"}
    assert (list(report["videos"]), report["listed"], report["failures"]) == (["v1.mp4"], 3, {})
    assert report["queries"][0] == "a red star"
    assert report["machine"]["threads"] == 1
    assert {path.name for path in out.iterdir()} == {Path(path).name for path in report["files"].values()}
    assert "runs, v1.mp4, 0:00:00.0 left" in err

    settings = ["--settings", report["files"]["settings"]]
    assert verb("extract", rendered, "--out", tmp_path / "f", "--model", "demo", *settings)[1]["done"] == 3
    fingerprint = json.loads(read_features(tmp_path / "f", "v0.mp4", "safetensors").metadata["fingerprint"])
    chosen = report["chosen"]["settings"]
    assert fingerprint["method"] == "reuse"
    assert {name: fingerprint["settings"][name] for name in chosen} == chosen
    assert verb("index", rendered, "--store", tmp_path / "s", *settings)[1]["done"] == 3
    assert Store.open(tmp_path / "s").about.origin.items() >= {"method": "reuse", **chosen}.items()


@pytest.mark.usefixtures("few")
def test_people_read_sample_table_and_sentence_and_bad_videos_give_exit_3(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(rendered / "v0.mp4", tmp_path / "good.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    options = ["--out", str(tmp_path / "out"), "--rounds", "1", "--budget", "1", "--query", "a red star"]
    with pytest.raises(SystemExit) as exit_info:
        main(["calibrate", "--model", "demo", "--videos", str(tmp_path), *options])
    captured = capsys.readouterr()
    assert exit_info.value.code == 3
    assert "1 of 2 videos, 12 frames (3 frames/s):\n  good.mp4: 12 frames, 0.0 to 3.7 s" in captured.out
    assert 'ranked by "a red star"\n' in captured.out
    assert "* full " in captured.out
    assert "At 100% of the compute" in captured.out
    assert f"--settings {tmp_path}/out/calibration.json" in captured.out
    assert "skipped text.mp4: " in captured.err


@pytest.mark.usefixtures("few")
def test_a_model_without_text_is_measured_without_queries(
    rendered: Path, tmp_path: Path, verb: Verb, write_model: Callable[..., None]
) -> None:
    model = tmp_path / "model.safetensors"
    write_model(model, width=64, layers=2, patch=16, image=64)
    command = ["calibrate", "--model", model, "--videos", rendered / "v0.mp4", "--out", tmp_path / "out"]
    code, report, _ = verb(*command, "--rounds", 1)
    assert (code, report["queries"], report["chosen"]["correlation"]) == (0, [], None)
    code, report, _ = verb(*command, "--query", "a dog")
    assert (code, report["error"]["type"]) == (1, "CheckpointError")
    assert "has no text tower" in report["error"]["message"]


@pytest.mark.usefixtures("few")
def test_nothing_within_the_budget_names_the_cheapest(rendered: Path, tmp_path: Path, verb: Verb) -> None:
    options = ["--videos", rendered / "v0.mp4", "--out", tmp_path / "out", "--rounds", 1, "--budget", 0.1]
    code, report, _ = verb("calibrate", "--model", "demo", *options)
    assert (code, report["error"]["type"]) == (1, "VidskimError")
    message = report["error"]["message"]
    assert message.startswith("no setting costs 10.0% or less")
    assert "the cheapest found is copy (interleave 3) at 25.0%" in message
    assert not (tmp_path / "out" / "calibration.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "40"], "above 0 and at most 1 (0.4 is 40 %), received 40"),
        (["--budget", "0"], "received 0"),
        (["--frames", "5"], "--frames"),
        (["--fps", "-1"], "fps must be above 0"),
        (["--videos", "/nowhere"], "no such file or folder: /nowhere"),
    ],
)
def test_wrong_settings_are_exit_2_and_named(
    rendered: Path, tmp_path: Path, verb: Verb, options: list[str], message: str
) -> None:
    command = ["calibrate", "--model", "demo", "--videos", rendered, "--out", tmp_path / "out", *options]
    code, report, _ = verb(*command)
    assert code == 2
    assert message in report["error"]["message"]
    assert not (tmp_path / "out").exists()
