"""Videos with sentences, read from files."""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from footage_files import write_square

from vidskim.errors import SettingsError, TrainingError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.models.tokenizer import Tokenizer
from vidskim.train.captioned import CaptionedClips, open_captioned
from vidskim.train.pairs import Texts
from vidskim.train.randaugment import RandAugment
from vidskim.video.prepare import Preparation, crop_frames
from vidskim.video.spread import read_spread

WORDS = [f"{name} {turn}" for name in "abcd" for turn in ("one", "two", "three")]
TEXTS = Texts(Tokenizer.learn(WORDS, merges=60), 16)
GREY = Preparation(size=32, resize=32, mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("captioned")
    return tuple(write_square(folder / f"{name}.mp4", frames=6, seed=n) for n, name in enumerate("abcd"))


def clips(paths: tuple[Path, ...], **changes: Any) -> CaptionedClips:
    rows = [(text[0], text) for text in WORDS]
    given = {"texts": TEXTS, "frames": 3, "preparation": GREY, "batch": 2, "seed": 0}
    return CaptionedClips(CaptionedVideos.of(rows), paths, **{**given, **changes})


def sentences(batch: dict[str, torch.Tensor]) -> list[str]:
    known = {tuple(TEXTS.encode([text])[0].tolist()): text for text in WORDS}
    end = TEXTS.tokenizer.end_id
    return [known[tuple(row[: row.index(end) + 1])] for row in batch["ids"].tolist()]


def test_every_video_comes_once_in_a_pass_and_every_sentence_in_as_many_as_there_are(
    footage: tuple[Path, ...],
) -> None:
    source = clips(footage)
    seen = [sentences(source[number]) for number in range(6)]
    for turn in range(3):
        passed = seen[2 * turn] + seen[2 * turn + 1]
        assert sorted(text[0] for text in passed) == list("abcd")
    assert Counter(text for batch in seen for text in batch) == Counter(WORDS)


def test_frames_are_those_of_the_file_as_the_model_takes_them(footage: tuple[Path, ...]) -> None:
    source = clips(footage)
    batch = source[0]
    assert batch["frames"].shape == (2, 3, 32, 32, 3)
    which = "abcd".index(sentences(batch)[0][0])
    expected = crop_frames(read_spread(footage[which], 3).frames, GREY)
    assert np.array_equal(batch["frames"][0].numpy(), expected)
    assert all(torch.equal(source[5][name], value) for name, value in clips(footage)[5].items())


def test_augmentation_is_of_what_is_learnt_only(footage: tuple[Path, ...]) -> None:
    plain, changed = clips(footage), clips(footage, augmentation=RandAugment(share=1.0))
    assert sentences(plain[0]) == sentences(changed[0])
    assert not torch.equal(plain[0]["frames"], changed[0]["frames"])
    assert np.array_equal(plain.read(0), changed.read(0))


def test_only_the_first_seconds_are_read_where_the_data_set_says_so(footage: tuple[Path, ...]) -> None:
    source = clips(footage)
    short = replace(source, videos=replace(source.videos, end_s=0.9))
    whole, start = source.read(0), short.read(0)
    assert np.array_equal(whole[0], start[0])
    assert not np.array_equal(whole[-1], start[-1])


def test_a_video_that_cannot_be_read_is_named_and_the_next_takes_its_place(
    footage: tuple[Path, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = tmp_path / "a.mp4"
    bad.write_bytes(b"not a video")
    source = clips((bad, *footage[1:]))
    with caplog.at_level(logging.WARNING, logger="vidskim"):
        batches = [source[number] for number in range(2)]
    assert all(len(batch["frames"]) == 2 for batch in batches)
    owners = torch.cat([batch["owners"] for batch in batches]).tolist()
    assert 0 not in owners
    assert len(set(owners)) == 3  # one comes twice, and says so
    assert "a.mp4" in caplog.text
    assert "another video takes its place" in caplog.text
    with pytest.raises(TrainingError, match="8 videos in a row could not be read"):
        clips((bad,) * 4)[0]


def test_a_share_of_the_videos_is_held_out(footage: tuple[Path, ...]) -> None:
    pairs = open_captioned(clips(footage), held_out=0.5)
    assert pairs.sentences == 6
    assert pairs.held_out.count == 2
    learnt = {text[0] for number in range(6) for text in sentences(pairs.source[number])}
    asked = {text[0] for text in pairs.held_out.sentences}
    assert learnt | asked == set("abcd")
    assert not learnt & asked


def test_videos_of_one_recording_stay_together(footage: tuple[Path, ...]) -> None:
    source = clips(footage)
    for origins in (("x", "x", "y", "y"), ("x", "y", "x", "y"), ("y", "x", "x", "y")):
        pairs = open_captioned(replace(source, videos=replace(source.videos, origins=origins)), held_out=0.5)
        asked = {text[0] for text in pairs.held_out.sentences}
        assert {origins["abcd".index(name)] for name in asked} in ({"x"}, {"y"})
        assert len(asked) == 2
    alone = replace(source, videos=replace(source.videos, origins=("x",) * 4))
    with pytest.raises(SettingsError, match="4 videos of 1 recordings are too few to hold out 2"):
        open_captioned(alone, held_out=0.25)


@pytest.mark.parametrize(
    ("sizes", "held_out"),
    [({"a": 10, "b": 90}, 10), ({"a": 90, "b": 10}, 10), ({"a": 40, "b": 56, "c": 1, "d": 3}, 4)],
)
def test_recordings_larger_than_the_share_are_learnt_from(sizes: dict[str, int], held_out: int) -> None:
    """A twentieth of a hundred videos is five."""
    origins = tuple(name for name, count in sizes.items() for _ in range(count))
    names = tuple(map(str, range(100)))
    videos = CaptionedVideos(names, names, tuple(range(100)), origins=origins)
    source = CaptionedClips(videos, tuple(map(Path, names)), texts=TEXTS, frames=3, preparation=GREY, batch=2)
    pairs = open_captioned(source, held_out=0.05)
    assert (pairs.held_out.count, pairs.sentences) == (held_out, 100 - held_out)


def test_where_one_side_does_not_know_its_recordings_it_is_said(
    footage: tuple[Path, ...], caplog: pytest.LogCaptureFixture
) -> None:
    source = clips(footage)
    some, rest = source.part([0, 1]), source.part([2, 3])
    some = replace(some, videos=replace(some.videos, origins=("x", "y")))
    with caplog.at_level(logging.WARNING, logger="vidskim"):
        open_captioned(some, held_out=(rest.videos, rest.paths))
    assert "clips of one may be on both sides" in caplog.text


def test_a_recording_on_both_sides_is_named(footage: tuple[Path, ...]) -> None:
    source = clips(footage)
    source = replace(source, videos=replace(source.videos, origins=("x", "y", "y", "z")))
    some, rest = source.part([0, 1]), source.part([2, 3])
    with pytest.raises(SettingsError, match="1 recordings are on both sides, such as y"):
        open_captioned(some, held_out=(rest.videos, rest.paths))


def test_a_batch_is_at_most_what_there_is_to_learn_from(footage: tuple[Path, ...]) -> None:
    assert open_captioned(clips(footage, batch=128), held_out=0.5).batch == 2
    assert open_captioned(clips(footage), held_out=0.5, batch=1).batch == 1
    with pytest.raises(
        SettingsError, match="batch must be at most the 2 videos there are to learn from, received 3"
    ):
        open_captioned(clips(footage), held_out=0.5, batch=3)


def test_another_exam_is_other_material(footage: tuple[Path, ...]) -> None:
    source = clips(footage)
    some, first, second = source.part([0, 1]), source.part([2]), source.part([3])
    digests = {open_captioned(some, held_out=(rest.videos, rest.paths)).digest for rest in (first, second)}
    assert len(digests) == 2


def test_other_videos_are_held_out(footage: tuple[Path, ...]) -> None:
    source = clips(footage)
    some, rest = source.part([0, 1]), source.part([2, 3])
    pairs = open_captioned(some, held_out=(rest.videos, rest.paths))
    assert pairs.held_out.sentences == rest.videos.texts
    assert np.array_equal(pairs.held_out.read(0), source.read(2))
    both = source.part([1, 2])
    with pytest.raises(SettingsError, match="1 videos are on both sides"):
        open_captioned(some, held_out=(both.videos, both.paths))


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (0.0, "must lie between 0 and 1"),
        (1.0, "must lie between 0 and 1"),
        (0.7, "are too few to hold out 3"),
    ],
)
def test_a_share_that_leaves_nothing_is_refused(
    footage: tuple[Path, ...], share: float, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        open_captioned(clips(footage), held_out=share)


def test_the_digest_tells_material_apart(footage: tuple[Path, ...]) -> None:
    source = clips(footage)
    assert source.digest() == clips(footage, batch=3).digest()
    assert source.digest() != source.part([0, 1, 2]).digest()
