"""A writer killed at any moment leaves each video wholly there or not at all, and the next writer goes on.

VIDSKIM_KILLS=20 kills at more random moments than the suite does.
"""

import itertools
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.store.conftest import Shelf, frames
from tests.store.writer import MOMENTS, count_of, perform, state_after, steps

from vidskim.store.dataset import Store
from vidskim.store.records import Frames

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("VIDSKIM_KILLS", "2"))
SEED = 5


def killed(uri: str, *, moment: str = "", after_s: float | None = None) -> int:
    """Run the writer until it is killed; how many steps it reported as done."""
    command = [sys.executable, "-m", "tests.store.writer", uri, str(SEED), *([moment] if moment else [])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        timer = threading.Timer(after_s if after_s is not None else 120, writer.kill)
        timer.start()
        lines = writer.stdout.read().split()
        timer.cancel()
    assert writer.returncode == -9
    return len(lines)


def step_of(got: Frames) -> int:
    """The step that wrote these frames, found bit by bit."""
    fitting = (step for step in range(1000) if count_of(step) == len(got))
    found = (step for step in fitting if np.array_equal(frames(len(got), seed=step).vectors, got.vectors))
    step = next(found, None)
    assert step is not None, "frames that nobody wrote"
    return step


def held(store: Store) -> dict[str, int]:
    """Path -> the step whose frames are stored there."""
    return {video.path: step_of(store.frames(video.id)) for video in store.videos()}


def check(uri: str, done: int) -> None:
    """Nothing reported is lost, nothing is half there, and writing goes on to the same end."""
    reader = Store.open(uri)
    states = [state_after(done, SEED), state_after(done + 1, SEED)]
    found = held(reader)
    assert found in states
    visible = {video.id for video in reader.videos()}
    hits = reader.nearest(frames(1, seed=0).vectors[0], limit=10_000)
    assert set(hits.videos) == visible
    assert len(hits) == reader.count().frames
    store = Store.open(uri)
    end = done + 12
    for step, (kind, path) in itertools.islice(enumerate(steps(SEED)), done, end):
        perform(store, step, kind, path)
    assert held(store) == held(reader) == state_after(end, SEED)
    assert store._tables.frames.count_rows() == store.count().frames


def replaced(step: int) -> bool:
    """Whether a step puts frames where there are some already."""
    _, path = next(itertools.islice(steps(SEED), step, None))
    return path in state_after(step, SEED)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_between_two_commits(shelf: Shelf, moment: str) -> None:
    done = killed(shelf.store.uri, moment=moment)
    assert done >= 12
    store = Store.open(shelf.store.uri)
    leftover = store._tables.frames.count_rows() - store.count().frames
    assert (leftover > 0) == (moment == "frames written" or (moment == "video written" and replaced(done)))
    check(shelf.store.uri, done)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_at_a_random_moment(shelf: Shelf, number: int) -> None:
    after_s = random.Random(number).uniform(0, 1.5)
    check(shelf.store.uri, killed(shelf.store.uri, after_s=after_s))
