"""metrics.jsonl, the record of a training, and a picture of it.

A line per `log_every` steps: {"step", "loss", "learning_rate", "gradient_norm", the task's scalars, "seconds",
"step_ms"}; loss, gradient norm and scalars are means over the steps since the line before. A line per validation:
{"step", "seconds", "validation": {name: number}}. Numbers that are not finite are null.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidskim.disk import writing
from vidskim.errors import SettingsError
from vidskim.tasks.plot import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "metrics.jsonl"
PICTURE = "curve.png"
# What the loop writes itself: no scalar of a task may have such a name.
RESERVED = ("step", "loss", "learning_rate", "gradient_norm", "seconds", "step_ms", "validation")


class Window:
    """Values since the last line, to be averaged in the next.

    Args:
        values: those that were open when a checkpoint was written.
    """

    def __init__(self, values: Mapping[str, list[float]] | None = None) -> None:
        self.values: dict[str, list[float]] = {name: list(given) for name, given in (values or {}).items()}

    def add(self, numbers: Mapping[str, float]) -> None:
        """One step's numbers."""
        for name, number in numbers.items():
            self.values.setdefault(name, []).append(number)

    def take_means(self) -> dict[str, float]:
        """The mean of each, and begin again."""
        means = {name: sum(numbers) / len(numbers) for name, numbers in self.values.items()}
        self.values = {}
        return means


class MetricsFile:
    """metrics.jsonl of one folder, to be appended to.

    Args:
        folder: where it lies; need not hold one yet.
        step: where the training goes on: later lines are cut, and so is a last line that is not whole.
    """

    def __init__(self, folder: Path, *, step: int) -> None:
        self.path = folder / FILE
        self.validations: dict[int, dict[str, float]] = {}
        lines = [line for line in _read_lines(self.path) if line["step"] <= step]
        with writing(self.path) as file:
            for line in lines:
                file.write(_encode(line))
        for line in lines:
            if "validation" in line:
                numbers = line["validation"].items()
                self.validations[line["step"]] = {
                    name: math.nan if number is None else number for name, number in numbers
                }

    def append(self, line: Mapping[str, object]) -> None:
        """Add a line."""
        with self.path.open("ab") as file:
            file.write(_encode(line))

    def append_validation(self, step: int, seconds: float, numbers: Mapping[str, float]) -> None:
        """Add the line of a validation."""
        self.validations[step] = {name: float(number) for name, number in numbers.items()}
        self.append({"step": step, "seconds": seconds, "validation": self.validations[step]})

    def sync(self) -> None:
        """Wait until all lines are on the disk: a checkpoint must not be newer than they are."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """All whole lines of a training's metrics.jsonl.

    Raises:
        SettingsError: there is none.
    """
    path = folder / FILE
    if not path.is_file():
        raise SettingsError(f"{folder}: no {FILE}; expected the folder of a training, as given to `fit`")
    return list(_read_lines(path))


def plot_metrics(folder: Path, *, beside: Mapping[str, Mapping[str, float]] | None = None) -> Path:
    """Draw loss, learning rate and each validation metric over the steps.

    Args:
        folder: of a training, finished or not.
        beside: what validation metrics are compared with, such as those before training: dashed lines, by what to call
            them, then by metric.

    Returns:
        The picture, curve.png in that folder.

    Raises:
        SettingsError: there is no metrics.jsonl.
        VidskimError: matplotlib is not installed.
    """
    lines = read_metrics(folder)
    panels = list(_panels(lines, beside or {}))
    rows = math.ceil(len(panels) / 2)
    figure = new_figure(width=11, height=3.2 * rows)
    all_axes = figure.subplots(rows, 2, squeeze=False).flat
    for axes, panel in zip(all_axes, [*panels, *[None] * (2 * rows - len(panels))], strict=True):
        if panel is None:
            axes.set_axis_off()
        else:
            _draw(axes, *panel)
    path = folder / PICTURE
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=120)
    return path


_Panel = tuple[str, list[int], list[float], dict[str, float]]


def _panels(lines: list[dict[str, Any]], beside: Mapping[str, Mapping[str, float]]) -> Iterator[_Panel]:
    """(title, steps, values, what they are compared with) of each panel."""
    for name in ("loss", "learning_rate"):
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        yield name.replace("_", " "), [x for x, _ in points], [y for _, y in points], {}
    validations = [(line["step"], line["validation"]) for line in lines if "validation" in line]
    for name in dict.fromkeys(name for _, numbers in validations for name in numbers):
        points = [(step, numbers[name]) for step, numbers in validations if numbers.get(name) is not None]
        compared = {label: numbers[name] for label, numbers in beside.items() if name in numbers}
        title = f"validation: {name.replace('_', ' ')}"
        yield title, [x for x, _ in points], [y for _, y in points], compared


def _draw(
    axes: "Axes", title: str, steps: list[int], values: list[float], compared: dict[str, float]
) -> None:
    few = len(steps) <= 40
    axes.plot(steps, values, marker="o" if few else None, markersize=3, linewidth=1.2)
    for number, (label, value) in enumerate(compared.items(), start=1):
        axes.axhline(value, color=f"C{number}", linestyle="--", linewidth=1, label=f"{label}: {value:.4g}")
    if compared:
        axes.legend(fontsize=8)
    axes.set_xlim(left=0)
    if title == "loss" and values and min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
    if values:
        last = f"{values[-1]:.4g} at step {steps[-1]}"
        axes.set_title(f"{title}: {last}", fontsize=10, loc="left")
    else:
        axes.set_title(f"{title}: nothing yet", fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Up to the first line that is not whole."""
    if not path.exists():
        return
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            return
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            return
        yield line


def _encode(line: Mapping[str, object]) -> bytes:
    return json.dumps(_finite(line), allow_nan=False).encode() + b"\n"


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
