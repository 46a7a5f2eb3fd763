"""What a store answers to questions it cannot answer."""

from typing import Any

import numpy as np
import pytest

from vidskim.tasks.search import search
from vidskim.tasks.threshold import FRAME_PROBES, SENTENCES, calibrate_frames, calibrate_sentences, summarise

Shelf = Any  # see conftest


def units(*rows: list[float]) -> np.ndarray:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_above_the_middle_of_what_finds_nothing() -> None:
    best = [0.20, 0.21, 0.22, 0.23, 0.24]
    found = summarise(best)
    assert found is not None
    assert (found.median, found.probes) == (pytest.approx(0.22), 5)
    assert found.spread == pytest.approx(1.4826 * 0.01)
    assert found.value == pytest.approx(0.22 + 3 * 1.4826 * 0.01)


def test_some_probes_may_be_in_the_store() -> None:
    nothing = [0.20, 0.21, 0.22, 0.23, 0.24, 0.205, 0.215, 0.225]
    without, with_hits = summarise(nothing), summarise([*nothing, 0.9, 0.95])
    assert without is not None
    assert with_hits is not None
    assert with_hits.value < 0.3
    assert with_hits.value == pytest.approx(without.value, abs=0.03)


def test_too_few_probes_tell_nothing() -> None:
    assert summarise([0.2] * 4) is None


def test_a_match_passes_and_other_sentences_do_not(shelf: Shelf) -> None:
    for number in range(6):
        shelf.add(f"/videos/{number}.mp4", [0.9 if number == 3 else 0.1] * 4)
    probes = units(*([0.1, 0.25, 1.0, 0.05 * number] for number in range(-6, 6)))
    found = calibrate_sentences(shelf.store, probes)
    assert found is not None
    assert found.probes == 12
    hit = search(shelf.store, shelf.query, limit=1, min_score=found.value)
    assert [each.path for each in hit.found] == ["/videos/3.mp4"]
    assert not any(search(shelf.store, probe, limit=1, min_score=found.value).is_good for probe in probes)


def test_frames_are_searched_in_other_videos(shelf: Shelf) -> None:
    assert calibrate_frames(shelf.store) is None
    for number in range(8):
        shelf.add(f"/videos/{number}.mp4", [number / 8] * 3)
    found = calibrate_frames(shelf.store)
    assert found is not None
    assert found.probes == FRAME_PROBES
    assert found.median < 0.9999  # a frame is not its own answer


def test_in_a_store_of_few_videos_pictures_of_them_are_found(shelf: Shelf) -> None:
    # half of the videos are nearly alike, half like nothing else: the middle and three spreads lie too high
    generator = np.random.default_rng(0)
    for number, cosine in enumerate((0.93, 0.92, 0.91, 0.94, -0.9, -0.3, 0.1, 0.4)):
        shelf.add(f"/videos/{number}.mp4", (cosine + 0.02 * generator.uniform(-1, 1, 20)).tolist())
    found = calibrate_frames(shelf.store)
    assert found is not None
    assert found.value < min(1.0, found.median + 3 * found.spread)
    good = [
        search(shelf.store, frame, limit=1, ids=[video.id], min_score=found.value).is_good
        for video in shelf.store.videos()
        for frame in shelf.store.frames(video.id).vectors
    ]
    assert np.mean(good) >= 0.7  # 24 probes tell roughly where nine in ten are


def test_an_empty_store(shelf: Shelf) -> None:
    assert calibrate_sentences(shelf.store, units([1, 0, 0, 0])) is None


def test_the_sentences_differ() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES) >= 20
