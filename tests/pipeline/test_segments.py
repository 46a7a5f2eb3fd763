"""Frames on their way to a frame encoder, gathered into segments and a whole: which ones, bounded, and unchanged."""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import vidskim
from vidskim.errors import SettingsError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.retrieval import RetrievalEncoder
from vidskim.pipeline.segments import HELD, Segmenter, SegmentingEncoder, Thinned
from vidskim.pipeline.stream import Block, Prepared
from vidskim.store.records import LevelVectors

PLAN = {"frames": 4, "joins": {1: 2, 2: 2}, "r": 2, "across": 0.2}


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    model = vidskim.load_model("demo", device="cpu", dtype="float32")
    assert isinstance(model, VideoEncoder)
    return model


@pytest.fixture(scope="module")
def retrieval() -> RetrievalEncoder:
    model = vidskim.load_model("demo", method="tempme", plan=PLAN, device="cpu", dtype="float32")
    assert isinstance(model, RetrievalEncoder)
    return model


def pixels(count: int, encoder: VideoEncoder, *, seed: int = 0) -> Tensor:
    side = encoder.trunk.config.image
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def blocks(frames: Tensor, times_s: Any, *, size: int, video: Hashable = "v") -> Iterator[Block]:
    for start in range(0, len(frames), size):
        part = Prepared(frames[start : start + size], np.asarray(times_s[start : start + size]), None)
        yield Block(video, part, last=start + size >= len(frames))


def gathered(
    encoder: VideoEncoder, segmenter: Segmenter, stream: Iterator[Block]
) -> tuple[Tensor, LevelVectors]:
    both = SegmentingEncoder(encoder, segmenter)
    vectors = torch.cat([features.vectors for _, features in both.encode_stream(stream)])
    return vectors, both.take("v", end_s=100.0)[0]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_windows_and_the_whole_are_encoded_as_the_model_does(
    encoder: VideoEncoder, retrieval: RetrievalEncoder, size: int
) -> None:
    """By hand: four frames spread over each window and over all, wherever blocks end; frames are as without."""
    frames = pixels(14, encoder)
    times = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 9.0, 9.5, 10.0, 10.5, 11.0])
    segmenter = Segmenter(retrieval, preparation=encoder.preparation, segment_s=2.0)
    vectors, levels = gathered(encoder, segmenter, blocks(frames, times, size=size))
    torch.testing.assert_close(
        vectors, encoder.encode_pixels(frames, times_s=times).vectors, atol=1e-5, rtol=0
    )
    windows = [range(4), range(4, 8), range(8, 9), range(9, 13), range(13, 14)]  # none from 7 to 9 s
    assert levels.start_s.tolist() == [1.0, 3.0, 5.0, 9.0, 11.0]
    assert levels.end_s.tolist() == [3.0, 5.0, 9.0, 11.0, 100.0]
    picked = [[rows[0]] * 4 if len(rows) == 1 else list(rows) for rows in windows]
    expected = retrieval.encode_video(
        torch.stack([frames[rows] for rows in [*picked, [0, 4, 8, 13]]])
    ).numpy()
    np.testing.assert_allclose(levels.segments, expected[:-1], atol=1e-5)
    np.testing.assert_allclose(levels.whole, expected[-1], atol=1e-5)
    assert levels.fingerprint == segmenter.fingerprint


@pytest.mark.parametrize("count", [1, 3, 15, 16, 17, 32, 33, 1000])
def test_few_frames_are_held_in_even_steps(count: int) -> None:
    thinned = Thinned(4)
    for number in range(count):
        thinned.push(torch.full((3, 1, 1), float(number)))
        assert len(thinned._held) <= HELD * 4
    picked = thinned.pick()[:, 0, 0, 0].tolist()
    if count <= HELD * 4:
        assert picked == np.linspace(0, count - 1, 4).astype(int).tolist()
    held = [int(frame[0, 0, 0]) for frame in thinned._held]
    steps = set(np.diff(held).tolist())
    assert len(steps) <= 1
    assert picked[0] == 0
    assert count - picked[-1] <= max([1, *steps])


def test_long_videos_are_encoded_in_parts(encoder: VideoEncoder, retrieval: RetrievalEncoder) -> None:
    frames, times = pixels(70, encoder), np.arange(70.0)
    segmenter = Segmenter(retrieval, preparation=encoder.preparation, segment_s=2.0)
    levels = gathered(encoder, segmenter, blocks(frames, times, size=9))[1]
    assert len(levels) == 35
    last = retrieval.encode_video(frames[[68, 68, 68, 69]][None])[0].numpy()
    np.testing.assert_allclose(levels.segments[-1], last, atol=1e-5)


def test_the_fingerprint_tells_plans_and_lengths_apart(
    encoder: VideoEncoder, retrieval: RetrievalEncoder
) -> None:
    ten, five = (
        Segmenter(retrieval, preparation=encoder.preparation, segment_s=length).fingerprint
        for length in (10, 5)
    )
    assert ten.differences(five) == ["settings.segment_s: 10.0 -> 5.0"]
    assert ten.method == "tempme"
    assert ten.settings["plan"]["frames"] == 4


def test_what_cannot_be_is_refused(encoder: VideoEncoder, retrieval: RetrievalEncoder) -> None:
    with pytest.raises(SettingsError, match="segment_s must be above 0 seconds, received 0"):
        Segmenter(retrieval, preparation=encoder.preparation, segment_s=0)
    other = type(encoder.preparation)(size=224, resize=224)
    with pytest.raises(SettingsError, match=r"prepared once, so .* differ in size 224 and \d+"):
        Segmenter(retrieval, preparation=other)
