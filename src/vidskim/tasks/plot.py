"""A grounding as a picture: similarity, smoothed curve, threshold, moments."""

from pathlib import Path
from typing import TYPE_CHECKING

from vidskim.disk import writing
from vidskim.errors import VidskimError
from vidskim.tasks.ground import Grounding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_MOMENTS = 10


def plot_grounding(grounding: Grounding, path: Path, *, title: str) -> None:
    """Draw a grounding.

    Args:
        grounding: what to draw; of its moments the first ten are shaded, the better the darker.
        path: picture to write; ".png", ".svg" and ".pdf" are among the suffixes that are known.
        title: over the picture.

    Raises:
        VidskimError: matplotlib is not installed, or does not know the suffix.
    """
    figure = new_figure(width=10, height=3.6)
    known = figure.canvas.get_supported_filetypes()
    kind = path.suffix.removeprefix(".").lower()
    if kind not in known:
        raise VidskimError(f"cannot draw {path}: its suffix must be one of {', '.join(sorted(known))}")
    axes = figure.subplots()
    for rank, moment in enumerate(grounding.moments[:SHOWN_MOMENTS]):
        shade = 0.35 - 0.03 * rank
        axes.axvspan(moment.start_s, moment.end_s, color="tab:green", alpha=shade, linewidth=0)
    axes.plot(grounding.times_s, grounding.signal, color="tab:gray", linewidth=0.8, label="similarity")
    axes.plot(grounding.times_s, grounding.smoothed, color="tab:blue", linewidth=1.6, label="smoothed")
    axes.axhline(grounding.threshold, color="tab:red", linestyle="--", linewidth=1, label="threshold")
    axes.set_xlabel("seconds")
    axes.set_ylabel("cosine")
    axes.set_title(title, loc="left", fontsize=11, parse_math=False)
    axes.margins(x=0.01)
    axes.legend(loc="upper right", fontsize=8)
    with writing(path) as file:
        figure.savefig(file, format=kind, dpi=120)


def new_figure(*, width: float, height: float) -> "Figure":
    """An empty figure of so many inches, drawn without a screen.

    Raises:
        VidskimError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise VidskimError(
            "drawing a curve needs matplotlib, which is not installed: pip install 'vidskim[plot]'"
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
