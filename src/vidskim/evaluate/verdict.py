"""What a calibration found, in words, as a table for people and as one for spreadsheets."""

import csv
import io
from collections.abc import Sequence

from vidskim.evaluate.calibrate import Measurement, Report

HEADINGS = (
    "setting",
    "MACs",
    "time",
    "ms/frame",
    "cosine",
    "10 % below",
    "worst video",
    "ranks",
    "top 10 %",
)

NO_GAIN, QUICK = 0.95, 0.8  # shares of the full encoder's time: what saves none, and what does


def describe_sample(report: Report) -> list[str]:
    """Which frames of which videos were measured, and on what machine."""
    rate = f"{report.fps:g} frames/s" if report.fps else "every frame"
    machine = report.machine
    lines = [f"{len(report.videos)} of {report.listed} videos, {report.frames} frames ({rate}):"]
    for name, video in report.videos.items():
        spans = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in video["stretches_s"])
        lines.append(f"  {name}: {video['frames']} frames, {spans}")
    lines += [f"  skipped {name}: {message}" for name, message in report.failures.items()]
    if report.queries:
        lines.append("ranked by " + ", ".join(f'"{query}"' for query in report.queries))
    rounds = f"median of {report.rounds} rounds" if report.rounds > 1 else "one round"
    lines.append(
        f"time is the encoder's alone, {rounds} in which settings take turns; "
        f"{machine['device']}, {machine['dtype']}, {_count(machine['threads'], 'thread')}"
    )
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe_choice(chosen: Measurement, measurements: Sequence[Measurement], *, budget: float) -> str:
    """What is gained and lost, in one sentence, and what the best free baseline within the budget keeps.

    Args:
        chosen: the setting.
        measurements: of all settings.
        budget: that it was chosen within.
    """
    text = (
        f"At {chosen.share:.0%} of the compute and {chosen.time_share:.0%} of the encoder's time: mean cosine "
        f"{chosen.cosine:.3f} to the full features, a tenth of the frames below {chosen.low:.3f}, worst video "
        f"{chosen.worst_video} {chosen.worst:.3f}"
    )
    if chosen.correlation is not None and chosen.overlap is not None:
        text += (
            f"; text queries order the frames as before (Spearman {chosen.correlation:.3f}) and find "
            f"{chosen.overlap:.0%} of their best tenth again"
        )
    text += f": {chosen.candidate}."
    within = [one for one in measurements if one.candidate.role != "control" and one.share <= budget]
    quick = max((one for one in within if one.time_share < QUICK), key=lambda one: one.cosine, default=None)
    if chosen.share < 1 and chosen.time_share >= NO_GAIN and quick is not None:
        gain = "hardly saves" if chosen.time_share <= 1 else "costs"
        text += (
            f" It {gain} time on this machine; of what saves some, {quick.candidate} keeps {quick.cosine:.3f} at "
            f"{quick.time_share:.0%} of the time."
        )
    free = [one for one in within if one.candidate.role == "free"]
    best = max(free, key=lambda one: one.cosine, default=None)
    if best is not None and best is not chosen:
        text += f" Without computing anything between I-frames, {best.candidate} keeps {best.cosine:.3f}."
    return text


def describe_cheapest(measurements: Sequence[Measurement], *, budget: float) -> str:
    """Why nothing was chosen, and what would be."""
    offered = [one for one in measurements if one.candidate.role != "control"]
    least = min(offered, key=lambda one: one.share)
    return (
        f"no setting costs {budget:.1%} or less of the full encoder's multiply-accumulates on this sample; the "
        f"cheapest found is {least.candidate} at {least.share:.1%}, mean cosine {least.cosine:.3f}: raise --budget "
        f"to {least.share + 0.0005:.3f} or more"
    )


def table_lines(measurements: Sequence[Measurement], *, chosen: Measurement | None) -> list[str]:
    """A table by rising cost, the chosen setting marked with a star; "worst video" is its mean cosine."""
    rows: list[tuple[str, ...]] = [("  " + HEADINGS[0], *HEADINGS[1:])]
    for one in by_cost(measurements):
        agreement = [
            "" if value is None else form.format(value)
            for value, form in ((one.correlation, "{:.3f}"), (one.overlap, "{:.0%}"))
        ]
        mark = "* " if one is chosen else "  "
        rows.append(
            (
                f"{mark}{one.candidate}",
                f"{one.share:.1%}",
                f"{one.time_share:.0%}",
                f"{one.ms:.2f}",
                f"{one.cosine:.3f}",
                f"{one.low:.3f}",
                f"{one.worst:.3f}",
                *agreement,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]


def table_csv(measurements: Sequence[Measurement]) -> str:
    """All numbers, one line for each setting; settings of methods are columns, empty where a method has none."""
    settings = list(dict.fromkeys(name for one in measurements for name in one.candidate.settings))
    numbers = list(measurements[0].numbers())
    text = io.StringIO()
    writer = csv.DictWriter(text, ["family", "role", "method", *settings, *numbers], lineterminator="\n")
    writer.writeheader()
    for one in by_cost(measurements):
        candidate = one.candidate
        names = {"family": candidate.family, "role": candidate.role, "method": candidate.method}
        writer.writerow({**names, **candidate.settings, **one.numbers()})
    return text.getvalue()


def by_cost(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The cheapest first."""
    return sorted(measurements, key=lambda one: (one.share, str(one.candidate)))
