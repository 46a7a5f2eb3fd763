"""validation.json and its picture."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vidskim.errors import SettingsError
from vidskim.methods.residual import ResidualTokenizer
from vidskim.train.metrics import MetricsFile
from vidskim.train.record import ValidationRecord, plot_validation, read_validation


class Counting:
    """Stands in for a `Validation`: tells how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.clips = {"a.mp4": None}

    def between(self, tokenizer: ResidualTokenizer) -> dict[str, float]:
        return {"cosine": 0.5, "cosine_random": 0.4, "cosine_copy": 0.8}

    def report(self, tokenizer: ResidualTokenizer) -> dict[str, Any]:
        self.asked += 1
        row = {
            name: {"curve": "N", "cosine": 0.1 * self.asked} for name in ("residual", "copy", "interpolate")
        }
        return {
            "interleave": 2,
            "keep": 0.15,
            "between": self.between(tokenizer),
            "equal_cost": {"0.35": {**row, "residual": {"curve": None, "cosine": None}}, "0.5": row},
        }


def make(out: Path, validation: Counting, seed: int = 0) -> ValidationRecord:
    tokenizer = ResidualTokenizer(dim=2, width=2)
    return ValidationRecord(out, tokenizer, made_for={"seed": seed}, validation=validation)  # type: ignore[arg-type]


def test_each_report_is_made_once_however_often_the_training_is_resumed(tmp_path: Path) -> None:
    validation = Counting()
    record = make(tmp_path, validation)
    assert not (tmp_path / "validation.json").exists()  # the folder may be another training's
    assert record.validate(10)["cosine"] == 0.5
    resumed = make(tmp_path, validation)
    resumed.finish()
    make(tmp_path, validation).finish()
    assert validation.asked == 2
    document = read_validation(tmp_path)
    assert document["held_out"] == ["a.mp4"]
    assert document["before"]["equal_cost"]["0.5"]["copy"]["cosine"] == pytest.approx(0.1)
    assert document["after"]["equal_cost"]["0.5"]["copy"]["cosine"] == pytest.approx(0.2)
    make(tmp_path, validation, seed=1)
    assert validation.asked == 3


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    record = make(tmp_path, Counting())
    metrics = MetricsFile(tmp_path, step=0)
    for step in (5, 10):
        metrics.append_validation(step, 1.0, record.validate(step))
    record.finish()
    with Image.open(plot_validation(tmp_path)) as image:
        assert image.size == (1320, 480)
        assert len(image.convert("RGB").getcolors(10**6) or []) > 10


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"no validation.json .*expected the folder of `vidskim train distill`"
    ):
        read_validation(tmp_path)
    (tmp_path / "validation.json").write_text(json.dumps({})[:1])
    with pytest.raises(SettingsError, match=r"no validation.json"):
        read_validation(tmp_path)
