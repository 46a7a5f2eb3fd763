"""The folder that a calibration leaves: tables, a picture, and the settings file for `extract` and `index`."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from vidskim.disk import writing
from vidskim.errors import VidskimError
from vidskim.evaluate.calibrate import Measurement, Report, choose
from vidskim.evaluate.pareto import plot_pareto
from vidskim.evaluate.verdict import (
    describe_cheapest,
    describe_choice,
    describe_sample,
    table_csv,
    table_lines,
)
from vidskim.pipeline.calibration import Calibration, write_calibration
from vidskim.pipeline.encoder import VideoEncoder

SETTINGS, TABLE, NUMBERS, PICTURE = "calibration.json", "table.txt", "table.csv", "pareto.png"


def write_results(
    out: Path, report: Report, *, encoder: VideoEncoder, source: str, budget: float
) -> tuple[Measurement, dict[str, str]]:
    """Choose a setting and write everything; what an earlier calibration left there is replaced.

    Args:
        out: folder, made if missing.
        report: what was measured.
        encoder: of the model that was measured.
        source: what the model is called, from any folder.
        budget: largest share of the full encoder's MACs, above 0 and at most 1.

    Returns:
        The chosen setting; what was written: "settings", "table", "numbers", and "picture" if matplotlib is there.

    Raises:
        VidskimError: nothing is within the budget; tables and picture are written all the same.
    """
    chosen = choose(report.measurements, budget=budget)
    files = {"settings": out / SETTINGS, "table": out / TABLE, "numbers": out / NUMBERS}
    lines = [*describe_sample(report), "", *table_lines(report.measurements, chosen=chosen)]
    _write(files["table"], "\n".join(lines) + "\n")
    _write(files["numbers"], table_csv(report.measurements))
    if find_spec("matplotlib") is not None:
        files["picture"] = out / PICTURE
        title = f"{Path(source).name}: {len(report.videos)} videos, {report.frames} frames"
        plot_pareto(report.measurements, files["picture"], chosen=chosen, budget=budget, title=title)
    if chosen is None:
        files["settings"].unlink(missing_ok=True)
        raise VidskimError(
            f"{describe_cheapest(report.measurements, budget=budget)}; all that was measured is in {out}"
        )
    write_calibration(files["settings"], _calibration(chosen, report, encoder, source=source, budget=budget))
    return chosen, {name: str(path) for name, path in files.items()}


def _calibration(
    chosen: Measurement, report: Report, encoder: VideoEncoder, *, source: str, budget: float
) -> Calibration:
    candidate = chosen.candidate
    fingerprint = encoder.with_method(candidate.method, **candidate.settings).fingerprint
    tokenizer = fingerprint.settings.get("tokenizer")
    return Calibration(
        source=source,
        model=fingerprint.model,
        weights=fingerprint.weights,
        method=candidate.method,
        settings=dict(candidate.settings),
        tokenizer=None if tokenizer is None else str(tokenizer),
        fps=report.fps,
        measured={
            "summary": describe_choice(chosen, report.measurements, budget=budget),
            "budget": budget,
            **chosen.numbers(),
            **report.conditions(),
            "version": version("vidskim"),
        },
    )


def _write(path: Path, text: str) -> None:
    with writing(path) as file:
        file.write(text.encode())
