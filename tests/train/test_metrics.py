"""The record of a training, cut where it goes on, and its picture."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from PIL import Image

from vidskim.errors import SettingsError, VidskimError
from vidskim.train.metrics import FILE, MetricsFile, Window, plot_metrics, read_metrics


def record(folder: Path, *, steps: int = 6) -> MetricsFile:
    metrics = MetricsFile(folder, step=0)
    for step in range(1, steps + 1):
        metrics.append({"step": step, "loss": 10.0**-step, "learning_rate": 0.1, "seconds": step})
        if step % 3 == 0:
            metrics.append_validation(step, float(step), {"recall": step / 10, "loss": 1.0})
    return metrics


def test_lines_come_back(tmp_path: Path) -> None:
    metrics = record(tmp_path, steps=3)
    metrics.sync()
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 3]
    assert lines[-1] == {"step": 3, "seconds": 3.0, "validation": {"recall": 0.3, "loss": 1.0}}
    assert metrics.validations == {3: {"recall": 0.3, "loss": 1.0}}


def test_later_lines_and_a_torn_one_are_cut(tmp_path: Path) -> None:
    record(tmp_path)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"step": 7, "lo')
    assert len(read_metrics(tmp_path)) == 8
    metrics = MetricsFile(tmp_path, step=4)
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2, 3, 3, 4]
    assert list(metrics.validations) == [3]
    metrics.append({"step": 5})
    assert (tmp_path / FILE).read_text().endswith('}\n{"step": 5}\n')


def test_numbers_that_are_not_finite_are_null_and_the_file_stays_json(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path, step=0)
    metrics.append({"step": 1, "loss": math.inf})
    metrics.append_validation(1, 0.0, {"recall": math.nan})
    lines = [
        json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / FILE).read_text().splitlines()
    ]
    assert lines[0]["loss"] is None
    again = MetricsFile(tmp_path, step=1)
    assert math.isnan(again.validations[1]["recall"])


def test_a_window_averages_what_came_since_the_last() -> None:
    window = Window({"loss": [1.0]})
    window.add({"loss": 2.0, "rare": 5.0})
    assert window.values == {"loss": [1.0, 2.0], "rare": [5.0]}
    assert window.take_means() == {"loss": 1.5, "rare": 5.0}
    assert window.values == {}


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    record(tmp_path)
    path = plot_metrics(tmp_path)
    assert path == tmp_path / "curve.png"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 20)
    assert colours is not None
    assert len(colours) > 20


def test_what_it_is_compared_with_is_drawn_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path)
    drawn: list[tuple[float, str]] = []
    plain = Axes.axhline

    def axhline(self: Axes, y: float, **style: Any) -> Any:
        drawn.append((y, style["label"]))
        return plain(self, y, **style)

    monkeypatch.setattr(Axes, "axhline", axhline)
    plot_metrics(
        tmp_path, beside={"before": {"recall": 0.25, "unknown": 1.0}, "frames alone": {"recall": 0.5}}
    )
    assert drawn == [(0.25, "before: 0.25"), (0.5, "frames alone: 0.5")]


def test_a_training_that_has_just_begun_can_be_drawn(tmp_path: Path) -> None:
    MetricsFile(tmp_path, step=0)
    assert plot_metrics(tmp_path).stat().st_size > 0


def test_a_folder_without_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no metrics\.jsonl; expected the folder of a training"):
        plot_metrics(tmp_path)


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(VidskimError, match=r"needs matplotlib.*pip install 'vidskim\[plot\]'"):
        plot_metrics(tmp_path)
