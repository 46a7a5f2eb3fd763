"""Methods side by side on labelled videos: shares, cost, and videos that do not count."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pipeline.tiny_classifier import LABELS, TINY, make_classifier

from vidskim.errors import SettingsError, VidskimError
from vidskim.evaluate.labelled import LabelledVideos
from vidskim.evaluate.recognition import Progress, evaluate_recognition, line_up, locate
from vidskim.methods.sta import Sta
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.video.read import read_video
from vidskim.video.write import write_video

SIZE = (8, 32, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos of noise, each with a tone of its own."""
    folder = tmp_path_factory.mktemp("noise")
    generator = np.random.default_rng(1)
    for number in range(6):
        frames = generator.integers(0, 60 + 39 * number, (20, 40, 48, 3), dtype=np.uint8)
        write_video(folder / f"v{number}.mp4", iter(frames), 10.0)
    return folder


@pytest.fixture
def rec() -> VideoClassifier:
    return make_classifier()


def labelled(folder: Path, rec: VideoClassifier, *, right: int) -> LabelledVideos:
    """The six videos; the first `right` labels are what the full classifier says, the others what it says last."""
    paths = tuple(folder / f"v{number}.mp4" for number in range(6))
    order = [rec.classify(read_video(path), top=3).labels for path in paths]
    named = [names[0] if number < right else names[-1] for number, names in enumerate(order)]
    return LabelledVideos(LABELS, paths, tuple(map(LABELS.index, named)))


def test_shares_and_cost_of_each_method(folder: Path, rec: VideoClassifier) -> None:
    videos = labelled(folder, rec, right=4)
    report = evaluate_recognition(line_up(rec, ["sta", "uniform"], settings={"r": [3]}), videos)
    full, sta, uniform = report.scores
    assert [score.method for score in report.scores] == ["full", "sta", "uniform"]
    assert (report.videos, full.top1, full.top5, full.agreement) == (6, 4 / 6, 1.0, 1.0)
    assert (full.name, sta.name) == ("full", "sta r=3")
    assert sta.macs == Sta(r=3).macs(TINY, SIZE) > uniform.macs
    assert sta.macs < full.macs
    for score, method in ((sta, "sta"), (uniform, "uniform")):
        other = rec.with_method(method, r=3)
        firsts = [other.classify(read_video(path), top=1).labels[0] for path in videos.paths]
        right = [name == LABELS[label] for name, label in zip(firsts, videos.labels, strict=True)]
        assert score.top1 == sum(right) / 6
        alike = [
            name == rec.classify(read_video(path), top=1).labels[0]
            for name, path in zip(firsts, videos.paths, strict=True)
        ]
        assert score.agreement == sum(alike) / 6
        assert score.seconds > 0
    assert json.loads(json.dumps(report.to_json()))["scores"][1]["settings"]["r"] == 3


def test_every_view_counts(folder: Path, rec: VideoClassifier) -> None:
    report = evaluate_recognition([rec], labelled(folder, rec, right=6), views="ssv2")
    (full,) = report.scores
    assert full.macs == rec.method.macs(TINY, SIZE)
    expected = [
        rec.classify(read_video(path), views="ssv2").labels[0]
        for path in labelled(folder, rec, right=6).paths
    ]
    right = [LABELS.index(name) for name in expected] == list(labelled(folder, rec, right=6).labels)
    assert (full.top1 == 1.0) == right
    assert report.views.clips == 2


def test_videos_that_are_not_there_or_bad_are_named(
    folder: Path, rec: VideoClassifier, tmp_path: Path
) -> None:
    videos = labelled(folder, rec, right=6)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    paths = (tmp_path / "gone.mp4", tmp_path / "bad.mp4", *videos.paths[2:])
    seen: list[Progress] = []
    report = evaluate_recognition(
        [rec], dataclasses.replace(videos, paths=paths), on_video=lambda progress: seen.append(progress)
    )
    assert report.missing == [str(tmp_path / "gone.mp4")]
    assert list(report.failed) == [str(tmp_path / "bad.mp4")]
    assert (report.videos, report.scores[0].top1) == (4, 1.0)
    assert seen[0] == Progress(done=1, listed=6, missing=1, failed=0, top1=None)
    assert seen[-1] == Progress(done=6, listed=6, missing=1, failed=1, top1=1.0)


def test_videos_elsewhere_are_found_by_name(folder: Path, rec: VideoClassifier) -> None:
    assert locate(Path("/data/k400/v1.mp4"), folder) == folder / "v1.mp4"
    assert locate(Path("/data/k400/v1.mp4"), None) is None
    assert locate(folder / "v2.mp4", Path("/nowhere")) == folder / "v2.mp4"
    moved = LabelledVideos(LABELS, (Path("/data/v0.mp4"),), (0,))
    assert evaluate_recognition([rec], moved, root=folder).videos == 1


def test_nothing_to_count_is_an_error(rec: VideoClassifier, tmp_path: Path) -> None:
    gone = LabelledVideos(LABELS, (tmp_path / "a.mp4", tmp_path / "b.mp4"), (0, 1))
    with pytest.raises(
        VidskimError, match=r"none of the 2 listed.*2 are not there.*a\.mp4: give their folder"
    ):
        evaluate_recognition([rec], gone)
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VidskimError, match=r"none of the 1 listed videos could be read, such as .*a\.mp4"):
        evaluate_recognition([rec], gone.part([0]))
    with pytest.raises(SettingsError, match="give one classifier or more, received none"):
        evaluate_recognition([], gone)


def test_methods_line_up_at_equal_counts(rec: VideoClassifier) -> None:
    def told(**options: object) -> list[str]:
        found = line_up(rec, **options)  # type: ignore[arg-type]
        return [" ".join([c.method.name, *map(str, c.fingerprint.settings.values())]) for c in found]

    assert told(methods=["full"]) == ["full"]
    names = [line.split()[0] for line in told(settings={"r": [2]})]
    assert names == ["full", "sta", "saliency", "redundancy", "random", "uniform", "tome"]
    assert told(methods=["uniform", "random"], settings={"r": [2, 3]}, seeds=2) == [
        "full",
        "uniform 2 halved",
        "random 2 halved 0",
        "random 2 halved 1",
        "uniform 3 halved",
        "random 3 halved 0",
        "random 3 halved 1",
    ]
    assert told(methods=["sta", "uniform", "sta"], settings={"r": [2, 2], "anchor": ["all", "kept"]}) == [
        "full",
        "sta 2 halved alternate all",
        "uniform 2 halved",
        "sta 2 halved alternate kept",
    ]
    assert told(methods=["random"], settings={"r": [2, [3, 2, 0]], "seed": [7]}, seeds=3) == [
        "full",
        "random 2 halved 7",
        "random [3, 2, 0] halved 7",
    ]
    with pytest.raises(SettingsError, match="Did you mean 'tome'"):
        line_up(rec, ["tomé"])
    with pytest.raises(SettingsError, match="unknown setting of method='sta', 'r1'"):
        line_up(rec, ["sta"], settings={"r1": [16]})
    with pytest.raises(
        SettingsError, match="method='uniform' has no setting 'anchor'; it belongs to method='sta'"
    ):
        line_up(rec, ["uniform"], settings={"anchor": ["kept"]})
    with pytest.raises(SettingsError, match="method='full' has no setting 'r'"):
        line_up(rec, ["full"], settings={"r": [2]})


def test_what_does_not_suit_the_clips_is_refused_before_a_video_is_read(rec: VideoClassifier) -> None:
    assert len(line_up(rec, settings={"r": [8]})) == 7
    with pytest.raises(SettingsError, match=r"r=9 drops too much.*of which at most 8 can go, received 9"):
        line_up(rec, settings={"r": [9]})
    with pytest.raises(SettingsError, match="at most 15 can go, received 48"):
        line_up(rec, ["sta"])


def test_methods_are_warm_and_take_turns(
    folder: Path, rec: VideoClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []
    original = VideoClassifier.mean_probabilities

    def recorded(self: VideoClassifier, views: Any) -> Any:
        calls.append((self.method.name, len(views)))
        return original(self, views)

    videos = labelled(folder, rec, right=6).part([0, 1, 2])
    monkeypatch.setattr(VideoClassifier, "mean_probabilities", recorded)
    ticks = iter(range(1000))
    monkeypatch.setattr("vidskim.evaluate.recognition.time.perf_counter", lambda: float(next(ticks)))
    report = evaluate_recognition(line_up(rec, ["sta", "uniform"], settings={"r": [3]}), videos, views="ssv2")
    order = ("full", "sta", "uniform", "full", "sta")
    assert calls[:3] == [(name, 1) for name in order[:3]]
    assert calls[3:] == [(name, 6) for first in range(3) for name in order[first : first + 3]]
    assert [score.seconds for score in report.scores] == [3 / 18] * 3  # warming up is not timed


def test_choices_that_are_not_the_usual_are_told(rec: VideoClassifier, folder: Path) -> None:
    videos = labelled(folder, rec, right=6).part([0])
    compared = line_up(rec, ["sta"], settings={"r": [3], "anchor": ["all", "kept"], "groups": ["slices"]})
    told = [score.name for score in evaluate_recognition(compared, videos).scores]
    assert told == ["full", "sta r=3 groups=slices", "sta r=3 groups=slices anchor=kept"]
