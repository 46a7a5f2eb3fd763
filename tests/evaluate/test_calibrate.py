"""Calibration: numbers out of observations, the choice within a budget, and a run on real files."""

from pathlib import Path

import numpy as np
import pytest

from vidskim.errors import SettingsError, VidskimError
from vidskim.evaluate import candidates
from vidskim.evaluate.calibrate import Measurement, calibrate, choose, summarise
from vidskim.evaluate.candidates import FULL, Candidate, Family
from vidskim.evaluate.observe import Observation
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.sources import Source

CHEAP = Candidate("copy", "copy", {"interleave": 1}, "free")


def observation(
    cosines: list[float],
    macs: int,
    seconds: float,
    time_shares: list[float],
    scores: list[list[float]] | None = None,
) -> Observation:
    table = np.zeros((len(cosines), 0)) if scores is None else np.array(scores)
    return Observation(
        cosines=np.array(cosines, np.float32),
        macs=macs,
        seconds=seconds,
        time_shares=time_shares,
        scores=table.astype(np.float32),
    )


def test_numbers_by_hand() -> None:
    observed = {
        "a": [
            observation([1, 1], 200, 2.0, [1.0, 1.0], [[1, 5], [2, 4]]),
            observation([1, 0.8], 100, 9.0, [0.5, 0.3, 0.9], [[1, 4], [2, 5]]),
        ],
        "b": [
            observation([1, 1, 1], 300, 3.0, [1.0, 1.0], [[3, 3], [4, 2], [5, 1]]),
            observation([0.5, 0.7, 1], 100, 9.0, [0.2, 0.2, 0.2], [[3, 3], [4, 2], [5, 1]]),
        ],
    }
    full, cheap = summarise([FULL, CHEAP], observed)
    assert (full.share, full.time_share, full.cosine, full.correlation, full.overlap) == (1, 1, 1, 1, 1)
    assert cheap.share == pytest.approx(200 / 500)
    assert cheap.time_share == pytest.approx(0.4 * 0.5 + 0.6 * 0.2)
    assert cheap.ms == pytest.approx(1000 * 0.32 * (2 + 3) / 5)
    assert cheap.cosine == pytest.approx(4 / 5)
    assert cheap.low == pytest.approx(0.5 + 0.4 * 0.2)  # 0.4 of the way from the first to the second of five
    assert (cheap.worst_video, cheap.worst) == ("b", pytest.approx(2.2 / 3))
    assert cheap.correlation == pytest.approx((1 + 0.9) / 2)  # the second query's best two are swapped
    assert cheap.overlap == pytest.approx(0.5)  # of each query one frame counts as the best tenth


def test_without_queries_there_is_no_agreement() -> None:
    (full,) = summarise([FULL], {"a": [observation([1, 1], 200, 2.0, [1.0])]})
    assert (full.correlation, full.overlap) == (None, None)


@pytest.mark.parametrize(
    ("budget", "number"), [(0.33, 1), (0.379, 1), (0.38, 3), (0.4, 3), (0.5, 4), (1.0, 0), (0.32, None)]
)
def test_the_best_within_the_budget_is_chosen_and_never_a_control(
    measured: list[Measurement], budget: float, number: int | None
) -> None:
    assert choose(measured, budget=budget) is (None if number is None else measured[number])


def test_of_equals_the_cheaper_is_chosen(measured: list[Measurement]) -> None:
    dear, cheap = (
        Measurement(**{**vars(measured[3]), "share": share, "cosine": 0.9}) for share in (0.3, 0.2)
    )
    assert choose([dear, cheap], budget=0.4) is cheap


@pytest.mark.parametrize("budget", [0.0, -0.1, 1.01, 40.0, float("nan")])
def test_a_budget_that_is_no_share_is_refused(measured: list[Measurement], budget: float) -> None:
    with pytest.raises(SettingsError, match=rf"above 0 and at most 1 \(0.4 is 40 %\), received {budget:g}"):
        choose(measured, budget=budget)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two families with one setting each."""
    families = (
        Family("copy", "copy", "free", interleaves=(2,)),
        Family("reuse", "reuse", dial="budget", values=(0.5,), interleaves=()),
    )
    monkeypatch.setattr(candidates, "FAMILIES", families)


@pytest.mark.usefixtures("few")
def test_a_run_on_files(demo: VideoEncoder, clips: list[Source], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    bad = Source(path=tmp_path / "text.mp4", name="text.mp4")
    steps: list[tuple[int, int, str]] = []
    report = calibrate(
        demo,
        [clips[0], bad, clips[1]],
        budget=0.5,
        fps=6.0,
        frames=42,
        rounds=2,
        queries=["a red star"],
        on_step=lambda *step: steps.append(step),
    )
    assert [str(one.candidate) for one in report.measurements] == [
        "full",
        "copy (interleave 2)",
        "reuse (budget 0.5)",
    ]
    full, copy, reuse = report.measurements
    assert full.cosine == pytest.approx(1, abs=1e-5)
    assert copy.cosine < reuse.cosine < 1
    assert copy.share < reuse.share <= 0.5
    assert copy.correlation is not None
    assert copy.correlation < 1
    # 40 frames are all of the first; 42 of the second's 46 are less than one stretch, whose last frame is not counted
    assert {name: video["frames"] for name, video in report.videos.items()} == {"v0.mp4": 40, "v1.mp4": 41}
    assert (report.frames, report.listed) == (81, 3)
    assert report.failures.keys() == {"text.mp4"}
    assert len(steps) == 14
    assert (steps[0], steps[-1]) == ((1, 21, "v0.mp4"), (21, 21, "v1.mp4"))


@pytest.mark.usefixtures("few")
def test_when_nothing_can_be_read_the_reasons_are_given(demo: VideoEncoder, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    told: list[str] = []
    bad = Source(path=tmp_path / "text.mp4", name="text.mp4")
    with pytest.raises(VidskimError, match=r"not one of 1 sampled videos could be read: .*text\.mp4"):
        calibrate(demo, [bad], budget=0.4, on_failure=lambda name, message: told.append(name))
    assert told == ["text.mp4"]


@pytest.mark.parametrize("setting", [{"sample": 0}, {"frames": 12}, {"rounds": 0}])
def test_numbers_out_of_range_are_named(
    demo: VideoEncoder, clips: list[Source], setting: dict[str, int]
) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(SettingsError, match=rf"{name} must be \d+ or more, received {value}"):
        calibrate(demo, clips, budget=0.4, **setting)  # type: ignore[arg-type]
