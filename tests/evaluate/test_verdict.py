"""What people read."""

import csv
import io
from dataclasses import replace

import pytest

from vidskim.evaluate.calibrate import Measurement, Report
from vidskim.evaluate.verdict import (
    describe_cheapest,
    describe_choice,
    describe_sample,
    table_csv,
    table_lines,
)


def test_one_sentence_says_what_is_gained_and_lost(measured: list[Measurement]) -> None:
    assert describe_choice(measured[3], measured, budget=0.4) == (
        "At 38% of the compute and 45% of the encoder's time: mean cosine 0.970 to the full features, a tenth of the "
        "frames below 0.960, worst video b.mp4 0.920; text queries order the frames as before (Spearman 0.969) and "
        "find 90% of their best tenth again: reuse (interleave 3, threshold 0.06). Without computing anything between "
        "I-frames, interpolate (interleave 2) keeps 0.910."
    )


def test_what_was_not_measured_is_not_said(measured: list[Measurement]) -> None:
    chosen = replace(measured[1], correlation=None, overlap=None)
    text = describe_choice(chosen, [chosen], budget=0.4)
    assert text.endswith("worst video b.mp4 0.860: interpolate (interleave 2).")


@pytest.mark.parametrize(("time_share", "gain"), [(0.99, "hardly saves"), (1.96, "costs")])
def test_a_choice_that_saves_no_time_names_one_that_does(
    measured: list[Measurement], time_share: float, gain: str
) -> None:
    slow = replace(measured[3], time_share=time_share)
    text = describe_choice(slow, [*measured[:3], slow], budget=0.4)
    assert (
        f"reuse (interleave 3, threshold 0.06). It {gain} time on this machine; of what saves some, "
        "interpolate (interleave 2) keeps 0.910 at 35% of the time. Without computing"
    ) in text
    assert "hardly" not in describe_choice(measured[0], measured, budget=1.0)


def test_when_nothing_fits_the_cheapest_is_named(measured: list[Measurement]) -> None:
    text = describe_cheapest(measured, budget=0.2)
    assert text == (
        "no setting costs 20.0% or less of the full encoder's multiply-accumulates on this sample; the cheapest found "
        "is interpolate (interleave 2) at 33.0%, mean cosine 0.910: raise --budget to 0.331 or more"
    )


def test_the_sample_is_said(report: Report) -> None:
    assert describe_sample(report) == [
        "2 of 40 videos, 110 frames (3 frames/s):",
        "  a.mp4: 96 frames, 10.0 to 26.0 s, 80.0 to 96.0 s",
        "  b.mp4: 14 frames, 0.0 to 4.4 s",
        "  skipped c.mp4: not a readable video",
        'ranked by "a dog"',
        "time is the encoder's alone, median of 3 rounds in which settings take turns; cpu, float32, 2 threads",
    ]
    assert describe_sample(replace(report, fps=None))[0].endswith("(every frame):")


def test_the_table_is_aligned_and_marks_the_choice(measured: list[Measurement]) -> None:
    lines = table_lines(measured, chosen=measured[3])
    assert len(lines) == 6
    assert len({len(line) for line in lines}) == 1
    assert [line[0] for line in lines] == list("  *   ")
    assert lines[2].split()[-7:] == ["38.0%", "45%", "4.50", "0.970", "0.960", "0.920", "0.969", "90%"][-7:]


def test_the_csv_holds_everything(measured: list[Measurement]) -> None:
    rows = list(csv.DictReader(io.StringIO(table_csv(measured))))
    assert [row["share"] for row in rows] == ["0.33", "0.38", "0.39", "0.45", "1.0"]
    assert (rows[1]["method"], rows[1]["interleave"], rows[1]["threshold"], rows[1]["select"]) == (
        "reuse",
        "3",
        "0.06",
        "",
    )
    assert rows[1]["worst_video"] == "b.mp4"
