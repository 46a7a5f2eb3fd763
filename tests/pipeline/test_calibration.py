"""The settings file: there and back, what is no such file, and other models."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.calibration import Calibration, read_calibration, write_calibration

CHOSEN = Calibration(
    source="demo",
    model="clip-vit w192",
    weights="ab" * 32,
    method="reuse",
    settings={"interleave": 3, "threshold": 0.06},
    fps=3.0,
    measured={"share": 0.34, "worst_video": {"name": "v.mp4", "cosine": 0.9}},
)


def test_there_and_back(tmp_path: Path) -> None:
    write_calibration(tmp_path / "new" / "calibration.json", CHOSEN)
    assert read_calibration(tmp_path / "new" / "calibration.json") == CHOSEN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, and this version reads 1"),
        ({"wieghts": "x"}, "unexpected keyword argument 'wieghts'"),
        ({"settings": [3]}, r"settings is dict; received \[3\]"),
        ({"fps": "3"}, "fps is float or int or null; received '3'"),
    ],
)
def test_other_files_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "c.json"
    write_calibration(path, CHOSEN)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(
        SettingsError, match=f"c.json is no settings file of `vidskim calibrate`: .*{message}"
    ):
        read_calibration(path)


@pytest.mark.parametrize(("content", "message"), [("{", "it is not JSON"), ("[1]", "format None")])
def test_text_of_another_kind_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(SettingsError, match=message):
        read_calibration(tmp_path / "c.json")


def test_a_whole_number_of_frames_per_second_will_do(tmp_path: Path) -> None:
    write_calibration(tmp_path / "c.json", replace(CHOSEN, fps=3))
    assert read_calibration(tmp_path / "c.json").fps == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*gone\.json: No such file"):
        read_calibration(tmp_path / "gone.json")


def test_a_field_left_out_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"format": 1, "source": "demo"}')
    with pytest.raises(SettingsError, match="missing 3 required keyword-only arguments: 'model', 'weights'"):
        read_calibration(tmp_path / "c.json")


def test_only_the_model_it_was_made_for_may_use_it() -> None:
    CHOSEN.require(Fingerprint("clip-vit w192", "ab" * 32, {"size": 64}, "reuse", {"keep": 0.3}))
    with pytest.raises(
        SettingsError,
        match=r"was calibrated for demo \(clip-vit w192, weights abababababab\), and this model has "
        "clip-vit w192, weights cdcdcdcdcdcd; give that one with --model, or run `vidskim calibrate`",
    ):
        CHOSEN.require(Fingerprint("clip-vit w192", "cd" * 32, {}, "reuse"))
    with pytest.raises(SettingsError, match="this model has another residual tokenizer"):
        CHOSEN.require(Fingerprint("clip-vit w192", "ab" * 32, {}, "residual", {"tokenizer": "ef"}))
