"""Clips of labelled videos: which, which frames, and what happens to files that cannot be read."""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from footage_files import write_square

from vidskim.errors import SettingsError, TrainingError
from vidskim.evaluate.labelled import LabelledVideos
from vidskim.train.clips import Augmentation, VideoClips, draw_row, split_labelled
from vidskim.video.prepare import Preparation, crop_frames
from vidskim.video.read import read_video
from vidskim.video.views import Views

SMALL = Preparation(size=16, resize=24, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear")
BY_CHANCE = Augmentation(least_crop=0.5, mirror=True)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> LabelledVideos:
    folder = tmp_path_factory.mktemp("videos")
    paths = tuple(write_square(folder / f"v{number}.mp4", frames=9, seed=number) for number in range(5))
    return LabelledVideos(("even", "odd"), paths, (0, 1, 0, 1, 0))


def clips(videos: LabelledVideos, **changes: object) -> VideoClips:
    given: dict[str, object] = {
        "frames": 4,
        "preparation": SMALL,
        "views": Views("segments"),
        "batch": 2,
        **changes,
    }
    return VideoClips(videos=videos, **given)  # type: ignore[arg-type]


def test_held_out_videos_are_seen_once_in_order_as_in_use(videos: LabelledVideos) -> None:
    source = clips(videos)
    assert source.batches == 3
    assert [source[number]["labels"].tolist() for number in range(3)] == [[0, 1], [0, 1], [0]]
    frames = read_video(videos.paths[2]).frames[[1, 3, 5, 7]]  # the middles of four stretches of nine
    assert (source[1]["clips"][0].numpy() == crop_frames(frames, SMALL)).all()


def test_each_pass_shows_every_video_once_in_an_order_of_its_own(videos: LabelledVideos) -> None:
    source = clips(videos, batch=5, augmentation=BY_CHANCE)
    labels = [source[number]["labels"].tolist() for number in range(6)]
    assert all(Counter(row) == {0: 3, 1: 2} for row in labels)
    assert len({tuple(row) for row in labels}) > 1
    assert source[0]["clips"].shape == (5, 4, 16, 16, 3)
    assert torch.equal(source[0]["clips"], source[0]["clips"])
    assert not torch.equal(source[0]["clips"], replace(source, seed=1)[0]["clips"])


def test_a_broken_video_is_named_and_the_next_takes_its_place(
    videos: LabelledVideos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "x.mp4"
    broken.write_bytes(b"no video")
    mixed = LabelledVideos(videos.classes, (broken, *videos.paths[1:]), videos.labels)
    trained = clips(mixed, batch=5, augmentation=BY_CHANCE)
    with caplog.at_level(logging.WARNING, logger="vidskim"):
        assert len(trained[0]["labels"]) == 5
    assert "x.mp4" in caplog.text
    assert "another video takes its place" in caplog.text
    with pytest.raises(TrainingError, match=r"8 videos in a row could not be read; the last: .*x\.mp4"):
        clips(LabelledVideos(("a", "b"), (broken, broken), (0, 1)), augmentation=BY_CHANCE)[0]


def test_a_broken_video_is_left_out_where_each_counts_once(
    videos: LabelledVideos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "x.mp4"
    broken.write_bytes(b"no video")
    mixed = LabelledVideos(videos.classes, (broken, *videos.paths[1:4], broken), (0, 1, 0, 1, 1))
    with caplog.at_level(logging.WARNING, logger="vidskim"):
        batches = [clips(mixed)[number] for number in range(3)]
    assert "x.mp4" in caplog.text
    assert "it is left out" in caplog.text
    assert [batch["labels"].tolist() for batch in batches] == [[1], [0, 1], []]
    assert [int(batch["unreadable"]) for batch in batches] == [1, 0, 1]
    assert batches[2]["clips"].shape == (0, 4, 16, 16, 3)
    whole = clips(videos)[0]
    assert torch.equal(batches[0]["clips"][0], whole["clips"][1])


def test_the_digest_tells_lists_apart(videos: LabelledVideos) -> None:
    assert clips(videos).digest() == clips(videos, batch=1).digest()
    assert clips(videos).digest() != clips(videos.part([0, 1])).digest()


def test_training_frames_lie_anywhere_in_their_stretch() -> None:
    generator = np.random.default_rng(0)
    rows = np.stack([draw_row(Views("segments"), 40, 4, generator=generator) for _ in range(200)])
    assert (rows // 10 == np.arange(4)).all()
    assert len(np.unique(rows)) == 40
    dense = np.stack([draw_row(Views(stride=2), 20, 4, generator=generator) for _ in range(200)])
    assert (np.diff(dense, axis=1) == 2).all()
    assert (dense[:, 0].min(), dense[:, -1].max()) == (0, 19)
    assert draw_row(Views(stride=4), 5, 4, generator=generator).tolist() == [0, 4, 4, 4]
    assert draw_row(Views("segments"), 2, 4, generator=generator).tolist() == [0, 0, 1, 1]


def test_a_share_of_each_class_is_held_out_wherever_it_lies() -> None:
    names = [f"{'ab'[number % 2]}/{number}.mp4" for number in range(20)]
    here, there = (
        LabelledVideos(("a", "b"), tuple(root / name for name in names), tuple(n % 2 for n in range(20)))
        for root in (Path("/here"), Path("/else/where"))
    )
    train, rest = split_labelled(here, held_out=0.2)
    assert Counter(rest.labels) == {0: 2, 1: 2}
    assert Counter(train.labels) == {0: 8, 1: 8}
    assert not set(train.paths) & set(rest.paths)
    _, moved = split_labelled(there, held_out=0.2)
    assert [path.name for path in moved.paths] == [path.name for path in rest.paths]


def test_what_cannot_be_split_is_refused(videos: LabelledVideos) -> None:
    with pytest.raises(SettingsError, match=r"held out must lie between 0 and 1, received 1$"):
        split_labelled(videos, held_out=1.0)
    with pytest.raises(SettingsError, match="class 'odd' has a single video, which cannot be trained on"):
        split_labelled(videos.part([0, 1, 2]), held_out=0.2)
