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
from tests.store.conftest import Shelf, frames, levels_of
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
    found = {}
    for video in store.videos():
        got = store.frames(video.id)
        found[video.path] = step_of(got)
        if store.levels is not None:
            levels = store.levels.of(video.id)
            assert levels is not None
            assert np.array_equal(levels.segments, levels_of(got).segments)
            assert np.array_equal(levels.whole, levels_of(got).whole)
    return found


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
    assert rows(store) == visible_rows(store)


def rows(store: Store) -> list[int]:
    """Rows of each table of vectors."""
    return [table.count_rows() for table in store._tables.vectors]


def visible_rows(store: Store) -> list[int]:
    """Those of them that a reader sees."""
    count = store.count()
    return [count.frames] if store.levels is None else [count.frames, *reversed(store.levels.count())]


def replaced(step: int) -> bool:
    """Whether a step puts frames where there are some already."""
    _, path = next(itertools.islice(steps(SEED), step, None))
    return path in state_after(step, SEED)


@pytest.mark.parametrize(
    ("kind", "moment"),
    [("shelf", "frames written"), ("shelf", "video written"), *(("tall", moment) for moment in MOMENTS)],
)
def test_a_kill_between_two_commits(request: pytest.FixtureRequest, kind: str, moment: str) -> None:
    uri = request.getfixturevalue(kind).store.uri
    done = killed(uri, moment=moment)
    assert done >= 12
    store = Store.open(uri)
    left = sum(rows(store)) - sum(visible_rows(store))
    written = moment in ("frames written", "segments written")
    assert (left > 0) == (written or (moment == "video written" and replaced(done)))
    check(uri, done)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_at_a_random_moment(tall: Shelf, number: int) -> None:
    after_s = random.Random(number).uniform(0, 1.5)
    check(tall.store.uri, killed(tall.store.uri, after_s=after_s))
