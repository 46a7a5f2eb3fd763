"""The model and the method as asked for on a command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.model_options import ModelChoice, read_pairs
from vidskim.errors import SettingsError
from vidskim.pipeline.calibration import Calibration, write_calibration
from vidskim.pipeline.load import load_model


def test_pairs_are_read_as_json_where_they_can_be() -> None:
    settings = read_pairs("--set", ["select=center", "seed=3", "on=true"], keep=0.5, threshold=None)
    assert settings == {"keep": 0.5, "select": "center", "seed": 3, "on": True}
    assert read_pairs("--config", None) == {}


@pytest.mark.parametrize("pair", ["heads", "=3", ""])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(SettingsError, match=f"--config takes name=value, received '{pair}'"):
        read_pairs("--config", [pair])


def test_a_budget_and_fixed_groups_exclude_each_other() -> None:
    choice = ModelChoice(source="demo", method="reuse", settings={"budget": 0.3, "interleave": 3})
    with pytest.raises(SettingsError, match=r"not both; received budget=0.3 and interleave=3"):
        choice.load()
    with pytest.raises(
        SettingsError, match=r"method='copy' has no setting 'budget'; it belongs to method='reuse'"
    ):
        ModelChoice(source="demo", method="copy", settings={"budget": 0.3}).load()


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="keep is given twice"):
        read_pairs("--set", ["keep=0.4"], keep=0.5)


@pytest.mark.parametrize("settings", [{}, {"keep": 0.5}, {"budget": 0.3, "select": "random", "seed": 1}])
def test_the_origin_makes_the_same_extractor_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip_model: Path, settings: dict[str, Any]
) -> None:
    monkeypatch.chdir(clip_model.parent)
    choice = ModelChoice(source=clip_model.name, method="reuse", settings=settings, scaler="decoder")
    encoder, origin = choice.load(), choice.origin()
    monkeypatch.chdir(tmp_path)
    assert origin["source"] == str(clip_model)
    assert load_model(**origin).fingerprint == encoder.fingerprint


def test_the_origin_finds_the_student_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip_model: Path
) -> None:
    monkeypatch.chdir(clip_model.parent)
    settings = {"student": clip_model.name, "token": False}
    choice = ModelChoice(source=str(clip_model), method="residual", settings=settings)
    encoder, origin = choice.load(), choice.origin()
    monkeypatch.chdir(tmp_path)
    assert origin["student"] == str(clip_model)
    assert load_model(**origin).fingerprint == encoder.fingerprint
    assert "student" in encoder.fingerprint.settings


@pytest.fixture
def settings_file(tmp_path: Path, clip_model: Path) -> Path:
    fingerprint = load_model(clip_model).fingerprint
    calibration = Calibration(
        source=str(clip_model),
        model=fingerprint.model,
        weights=fingerprint.weights,
        method="reuse",
        settings={"interleave": 3, "threshold": 0.06},
        fps=3.0,
    )
    write_calibration(tmp_path / "calibration.json", calibration)
    return tmp_path / "calibration.json"


def test_a_settings_file_gives_method_and_settings(clip_model: Path, settings_file: Path) -> None:
    choice = ModelChoice(source=str(clip_model), method="full")
    assert choice.calibrated(None, method=None, fps=3.0) is choice
    calibrated = choice.calibrated(settings_file, method=None, fps=3.0)
    encoder = calibrated.load()
    assert (encoder.method.name, encoder.method.interleave) == ("reuse", 3)
    assert load_model(**calibrated.origin()).fingerprint == encoder.fingerprint


def test_a_settings_file_leaves_nothing_to_be_asked_for(settings_file: Path) -> None:
    choice = ModelChoice(source="demo", method="copy", settings={"interleave": 2})
    with pytest.raises(
        SettingsError, match=r"are those of .*calibration\.json; leave out --method, interleave"
    ):
        choice.calibrated(settings_file, method="copy", fps=3.0)


def test_a_settings_file_of_another_model_is_refused(
    tmp_path: Path, write_model: Callable[..., None], settings_file: Path
) -> None:
    write_model(tmp_path / "other.safetensors", width=64, layers=2, patch=16, image=64)
    choice = ModelChoice(source=str(tmp_path / "other.safetensors"), method="full")
    with pytest.raises(SettingsError, match=r"was calibrated for .*clip \(.*, and this model has "):
        choice.calibrated(settings_file, method=None, fps=3.0).load()


def test_another_rate_than_measured_is_said(settings_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choice = ModelChoice(source="demo", method="full")
    for fps in (3.0, 1.0, None):
        choice.calibrated(settings_file, method=None, fps=fps)
    told = capsys.readouterr().err.splitlines()
    assert [line.split("measured on ")[1] for line in told] == [
        "3 frames/s, and this run samples 1 frames/s: expect other losses and cost",
        "3 frames/s, and this run samples every frame: expect other losses and cost",
    ]
