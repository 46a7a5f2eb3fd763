"""validation.json: how a tokenizer does on what was held out, before and after its training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidskim.disk import writing
from vidskim.errors import SettingsError
from vidskim.methods.residual import ResidualTokenizer
from vidskim.tasks.plot import new_figure
from vidskim.train.metrics import read_metrics
from vidskim.train.validation import Validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VALIDATION_FILE = "validation.json"
PICTURE = "validation.png"


class ValidationRecord:
    """validation.json of one training.

    Args:
        out: folder of the training.
        tokenizer: that learns; not trained yet.
        made_for: what the training is; a record of another one is replaced.
        validation: what is asked.
    """

    def __init__(
        self,
        out: Path,
        tokenizer: ResidualTokenizer,
        *,
        made_for: Mapping[str, object],
        validation: Validation,
    ) -> None:
        self.path, self.tokenizer, self.validation = out / VALIDATION_FILE, tokenizer, validation
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            stored = {}
        self.document: dict[str, Any] = stored if stored.get("made_for") == made_for else {}
        if not self.document:
            self.document = {
                "made_for": made_for,
                "held_out": list(validation.clips),
                "before": validation.report(self.tokenizer),
            }

    def validate(self, step: int) -> dict[str, float]:
        """Called at each checkpoint; by then the folder is known to be this training's."""
        self._write()
        return self.validation.between(self.tokenizer)

    def finish(self) -> None:
        """After the training."""
        if "after" not in self.document:
            self.document["after"] = self.validation.report(self.tokenizer)
            self._write()

    def _write(self) -> None:
        with writing(self.path) as file:
            file.write(json.dumps(self.document, indent=2).encode() + b"\n")


def read_validation(folder: Path) -> dict[str, Any]:
    """The record of a distillation that has ended.

    Raises:
        SettingsError: there is none.
    """
    try:
        document: dict[str, Any] = json.loads((folder / VALIDATION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{folder}: no {VALIDATION_FILE} ({error}); expected the folder of `vidskim train distill`"
        ) from error
    return document


def plot_validation(folder: Path) -> Path:
    """Draw a distillation: P-frames over the steps with the baselines, and bars at equal total cost.

    Args:
        folder: of a distillation that has ended.

    Returns:
        The picture, validation.png in that folder.

    Raises:
        SettingsError: there is no record.
        VidskimError: matplotlib is not installed.
    """
    document, lines = read_validation(folder), read_metrics(folder)
    figure = new_figure(width=11, height=4)
    curve, bars = figure.subplots(1, 2)
    _draw_curve(curve, document, lines)
    _draw_bars(bars, document)
    for axes in (curve, bars):
        axes.set_ylabel("cosine to the full encoder", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3, axis="y")
        axes.legend(fontsize=8, loc="lower left")
    path = folder / PICTURE
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=120)
    return path


def _draw_curve(axes: "Axes", document: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    validations = [(line["step"], line["validation"]) for line in lines if "validation" in line]
    points = [(0, document["before"]["between"]), *validations]
    steps = [step for step, _ in points]
    for name, label in (("cosine", "residual"), ("cosine_random", "residual, random patches")):
        axes.plot(steps, [numbers[name] for _, numbers in points], marker="o", markersize=3, label=label)
    for number, (name, value) in enumerate(document["before"]["between"].items()):
        if name not in ("cosine", "cosine_random"):
            label = name.removeprefix("cosine_").replace("_", " ")
            axes.axhline(value, color=f"C{number}", linestyle="--", linewidth=1, label=label)
    setting = f"N={document['before']['interleave']}, keep {document['before']['keep']:g}"
    axes.set_title(f"P-frames of held-out videos, {setting}", fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=9)


def _draw_bars(axes: "Axes", document: Mapping[str, Any]) -> None:
    shares = list(document["after"]["equal_cost"])
    series = (
        ("residual before", "before"),
        ("residual", "after"),
        ("copy", "after"),
        ("interpolate", "after"),
    )
    for number, (name, when) in enumerate(series):
        values = [document[when]["equal_cost"][share][name.split()[0]]["cosine"] for share in shares]
        places = [place + 0.2 * (number - 1.5) for place in range(len(shares))]
        axes.bar(places, [value or 0.0 for value in values], width=0.18, label=name)
    axes.set_xticks(range(len(shares)), shares)
    axes.set_title("All frames at equal total cost", fontsize=10, loc="left")
    axes.set_xlabel("share of the full encoder's MACs", fontsize=9)
