"""The picture of a calibration: what is kept against what it costs, in multiply-accumulates and in time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vidskim.disk import writing
from vidskim.evaluate.calibrate import Measurement
from vidskim.tasks.plot import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cost = Callable[[Measurement], float]
# what is to be beaten is grey
GREYS = {"free": ("0.45", "0.65"), "control": ("0.8",)}
COLOURS = (
    "tab:blue",
    "tab:orange",
    "tab:green",
    "tab:purple",
    "tab:red",
    "tab:brown",
    "tab:pink",
    "tab:cyan",
)
MARKERS = "osD^vP*X"


def plot_pareto(
    measurements: Sequence[Measurement], path: Path, *, chosen: Measurement | None, budget: float, title: str
) -> None:
    """Two panels: mean cosine against the share of MACs, and against the share of the encoder's time.

    A dot is a setting, a thin line joins what no other setting beats, the chosen one is ringed.

    Args:
        measurements: of all settings.
        path: a .png file.
        chosen: the setting that was chosen, if any.
        budget: share of MACs, drawn as a line.
        title: over the picture.

    Raises:
        VidskimError: matplotlib is not installed.
    """
    figure = new_figure(width=12, height=5.6)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, measurements, lambda one: one.share, chosen)
    _draw(right, measurements, lambda one: one.time_share, chosen)
    left.axvline(budget, color="tab:red", linestyle="--", linewidth=1, label=f"budget {budget:g}")
    left.set_xlabel("share of the full encoder's multiply-accumulates")
    right.set_xlabel("share of the full encoder's time, as measured")
    left.set_ylabel("mean cosine to the full features")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, parse_math=False)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=120)


def _draw(axes: "Axes", measurements: Sequence[Measurement], cost: Cost, chosen: Measurement | None) -> None:
    greys, colours = {role: list(shades) for role, shades in GREYS.items()}, list(COLOURS)
    families = dict.fromkeys(one.candidate.family for one in measurements)
    for number, family in enumerate(families):
        members = [one for one in measurements if one.candidate.family == family]
        role = members[0].candidate.role
        shades = greys.get(role) or colours
        colour = "black" if role == "full" else shades.pop(0)
        points = [cost(one) for one in members], [one.cosine for one in members]
        axes.scatter(
            *points, s=34, color=colour, marker=MARKERS[number % len(MARKERS)], label=family, zorder=3
        )
    best = front([one for one in measurements if one.candidate.role != "control"], cost)
    axes.plot([cost(one) for one in best], [one.cosine for one in best], color="0.2", linewidth=0.8, zorder=2)
    if chosen is not None:
        label, point = f"chosen: {chosen.candidate}", ([cost(chosen)], [chosen.cosine])
        axes.scatter(
            *point, s=190, facecolors="none", edgecolors="tab:red", linewidths=1.6, label=label, zorder=4
        )
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25)


def front(measurements: Sequence[Measurement], cost: Cost) -> list[Measurement]:
    """What no other setting beats in cost and cosine at once, the cheapest first."""
    best: list[Measurement] = []
    for one in sorted(measurements, key=lambda one: (cost(one), -one.cosine)):
        if not best or one.cosine > best[-1].cosine:
            best.append(one)
    return best
