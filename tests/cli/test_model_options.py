"""The model and the method as asked for on a command line."""

from pathlib import Path

import pytest

from vidskim.cli.model_options import ModelChoice, read_pairs
from vidskim.errors import SettingsError
from vidskim.pipeline.load import load_model


def test_pairs_are_read_as_json_where_they_can_be() -> None:
    settings = read_pairs("--set", ["select=center", "seed=3", "on=true"], keep=0.5, threshold=None)
    assert settings == {"keep": 0.5, "select": "center", "seed": 3, "on": True}
    assert read_pairs("--config", None) == {}


@pytest.mark.parametrize("pair", ["heads", "=3", ""])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(SettingsError, match=f"--config takes name=value, received '{pair}'"):
        read_pairs("--config", [pair])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="keep is given twice"):
        read_pairs("--set", ["keep=0.4"], keep=0.5)


def test_the_origin_makes_the_same_extractor_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip_model: Path
) -> None:
    monkeypatch.chdir(clip_model.parent)
    choice = ModelChoice(source=clip_model.name, method="reuse", settings={"keep": 0.5}, scaler="decoder")
    encoder, origin = choice.load(), choice.origin()
    monkeypatch.chdir(tmp_path)
    assert origin["source"] == str(clip_model)
    assert load_model(**origin).fingerprint == encoder.fingerprint
