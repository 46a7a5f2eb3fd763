"""The bundled classifier: what it is, what it gets right of videos it never saw, and that it needs their motion."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from vidskim.pipeline.classifier import VideoClassifier
from vidskim.pipeline.hub import DEMO_ACTION
from vidskim.pipeline.load import load_model
from vidskim.synth.actions import action_number, draw_action, render_action
from vidskim.synth.vocabulary import ACTIONS
from vidskim.video.prepare import normalise

VIDEOS = 52


@pytest.fixture(scope="module")
def demo() -> VideoClassifier:
    classifier: VideoClassifier = load_model("demo-action", dtype="float32")
    return classifier


@pytest.fixture(scope="module")
def clips() -> tuple[np.ndarray, list[int]]:
    """Test videos uint8 [b, t, y, x, 3] and their classes; half of them are combinations never trained on."""
    scripts = [draw_action("test", seed=5, number=number) for number in range(VIDEOS)]
    frames = np.stack([render_action(script, frames=16, side=64) for script in scripts])
    return frames, [action_number(script) for script in scripts]


def right(
    classifier: VideoClassifier,
    clips: tuple[np.ndarray, list[int]],
    change: Callable[[np.ndarray], np.ndarray] = lambda frames: frames,
) -> float:
    """Share of the clips whose first label is right."""
    frames, labels = clips
    found = []
    for start in range(0, VIDEOS, 13):
        prepared = [normalise(change(clip), classifier.preparation) for clip in frames[start : start + 13]]
        pixels = torch.stack(prepared).transpose(1, 2)  # b c t y x
        found += classifier.logits(pixels).argmax(dim=1).tolist()
    return float(np.mean([guess == label for guess, label in zip(found, labels, strict=True)]))


def test_it_names_the_actions_of_the_world_and_is_small(demo: VideoClassifier) -> None:
    assert demo.labels == ACTIONS
    assert demo.frames == 16
    assert sum(path.stat().st_size for path in DEMO_ACTION.iterdir()) < 8e6


def test_it_is_right_about_videos_it_never_saw(
    demo: VideoClassifier, clips: tuple[np.ndarray, list[int]]
) -> None:
    assert right(demo, clips) >= 0.75
    assert right(demo.with_method("sta", r=11), clips) >= 0.6


def test_without_motion_it_guesses(demo: VideoClassifier, clips: tuple[np.ndarray, list[int]]) -> None:
    order = np.random.default_rng(0).permutation(16)
    assert right(demo, clips, lambda clip: np.repeat(clip[8:9], 16, axis=0)) < 0.3
    assert right(demo, clips, lambda clip: np.ascontiguousarray(clip[order])) < 0.6
