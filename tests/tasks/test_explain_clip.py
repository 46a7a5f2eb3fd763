"""What became of the tokens of a clip, stage by stage."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pipeline.tiny_classifier import LABELS, TINY, make_classifier

from vidskim.errors import SettingsError
from vidskim.methods.sta import Sta
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.tasks.explain_clip import explain_clip
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED
from vidskim.video.read import read_video
from vidskim.video.views import read_rows
from vidskim.video.write import write_video

SIZE = (8, 32, 32)


@pytest.fixture
def rec() -> VideoClassifier:
    return make_classifier()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 seconds at 10 frames/s; every second is brighter than the one before."""
    path = tmp_path_factory.mktemp("clip") / "brighter.mp4"
    frames = np.repeat(np.linspace(20, 220, 6), 10)[:, None, None, None] * np.ones((1, 40, 64, 3))
    noise = np.random.default_rng(0).integers(-15, 15, frames.shape)
    write_video(path, iter((frames + noise).clip(0, 255).astype(np.uint8)), 10.0)
    return path


def test_stages_of_sta(rec: VideoClassifier, video: Path) -> None:
    sta = rec.with_method("sta", r=3)
    found = explain_clip(video, sta)
    clip = read_video(video)
    assert found.method == "sta, r 3, groups halved, direction alternate, anchor all"
    # frames 14, 18 ... 42 of 60: every fourth, in the middle
    assert found.times_s == pytest.approx(clip.times_s[[12, 20, 28, 36]], abs=1e-6)
    assert found.pictures.shape == (4, 32, 32, 3)
    assert found.pictures.mean(axis=(1, 2, 3)) == pytest.approx([60, 100, 100, 140], abs=6)
    assert [(stage.name, stage.groups, stage.left) for stage in found.stages] == [
        ("after block 1", 4, 52),
        ("after block 2", 2, 46),
        ("after block 3", 1, 43),
    ]
    assert (found.stages[0].fates == DROPPED).sum(axis=(1, 2)).tolist() == [3, 3, 3, 3]
    before = np.full((4, 4, 4), COMPUTED)
    for stage in found.stages:
        assert ((stage.fates == DROPPED) >= (before == DROPPED)).all()
        before = stage.fates
    assert (found.tokens, found.macs) == (64, Sta(r=3).macs(TINY, SIZE))
    assert found.share == found.macs / rec.method.macs(TINY, SIZE) < 1
    label = sta.classify(clip, top=1)[0]
    assert found.label == (label[0], pytest.approx(label[1], abs=1e-6))
    full = rec.classify(clip, top=1)[0]
    assert found.full_label == (full[0], pytest.approx(full[1], abs=1e-6))


def test_the_trace_is_drawn_where_the_tokens_lie(rec: VideoClassifier, video: Path) -> None:
    sta = rec.with_method("sta", r=3)
    found = explain_clip(video, sta)
    (pixels,) = sta.read_views(video, "one")
    _, trail = sta.logits(pixels[None], trace=True)
    for stage, place in zip(found.stages, trail, strict=True):
        kept = {(token // 16, token % 16 // 4, token % 4) for token in place.original[0].tolist()}
        assert {(int(t), int(y), int(x)) for t, y, x in np.argwhere(stage.fates == COMPUTED)} == kept


def test_merged_tokens_have_their_slots(rec: VideoClassifier, video: Path) -> None:
    found = explain_clip(video, rec.with_method("tome", r=3))
    assert [stage.left for stage in found.stages] == [52, 46, 43]
    for stage in found.stages:
        assert not (stage.fates == DROPPED).any()
        assert ((stage.slots >= 0) == (stage.fates == MERGED)).all()
        assert np.unique(stage.slots[stage.slots >= 0], return_counts=True)[1].min() > 1


def test_nothing_dropped_has_no_stages(rec: VideoClassifier, video: Path) -> None:
    found = explain_clip(video, rec)
    assert (found.stages, found.share, found.label) == ([], 1.0, found.full_label)
    assert found.summary().startswith("64 of 64 tokens left at the end, 100% of the full")
    record = found.to_json()
    assert record["stages"] == []
    assert record["label"]["label"] in LABELS


def test_the_scaler_is_the_one_asked_for(
    rec: VideoClassifier, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int | None] = []

    def recorded(*arguments: Any, short_side: int | None, **options: Any) -> Any:
        sides.append(short_side)
        return read_rows(*arguments, short_side=short_side, **options)

    monkeypatch.setattr("vidskim.tasks.explain_clip.read_rows", recorded)
    explain_clip(video, rec)
    rec.preparation = replace(rec.preparation, interpolation="bicubic", scaler="decoder")
    found = explain_clip(video, rec)
    assert sides == [None, 32]
    label, probability = rec.classify_file(video, top=1)[0]
    assert found.label == (label, pytest.approx(probability, abs=1e-6))


def test_a_part_of_a_video_is_a_video(rec: VideoClassifier, video: Path) -> None:
    found = explain_clip(video, rec, start_s=2.0, end_s=3.0)
    assert found.times_s.min() >= 2.0 - 1e-6
    assert found.times_s.max() < 3.0
    assert found.pictures.mean(axis=(1, 2, 3)) == pytest.approx([100] * 4, abs=6)
    with pytest.raises(
        SettingsError, match=r"has no frame from 9 s to the end; its frames are at 0 to 5\.9 s"
    ):
        explain_clip(video, rec, start_s=9.0)
    with pytest.raises(SettingsError, match="no frame from 2 s to 2 s"):
        explain_clip(video, rec, start_s=2.0, end_s=2.0)
