"""A process that writes to a store without end, for the tests that read beside it and kill it.

    python -m tests.store.writer URI SEED [MOMENT]

The steps follow from the seed, so that what the store holds after each is known. A line goes out before the first and
after each finished one. With a moment, the process kills itself there, in the middle of a step.
"""

import itertools
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from tests.store.conftest import frames, put

from vidskim.store import upkeep
from vidskim.store.dataset import Store

MOMENTS = ("frames written", "segments written", "video written", "joined")


def steps(seed: int) -> Iterator[tuple[str, str]]:
    """What to do and to which path: mostly adding and replacing, now and then removing or compacting."""
    chance = random.Random(seed)
    while True:
        kind = chance.choices(["put", "remove", "compact"], [20, 3, 1])[0]
        yield kind, f"/v/{chance.randrange(6)}.mp4"


def count_of(step: int) -> int:
    """Number of frames that a step writes."""
    return 1 + step * 7 % 30


def state_after(done: int, seed: int) -> dict[str, int]:
    """Path -> the step that wrote what is stored there."""
    state: dict[str, int] = {}
    for step, (kind, path) in enumerate(itertools.islice(steps(seed), done)):
        if kind == "put":
            state[path] = step
        elif kind == "remove":
            state.pop(path, None)
    return state


def perform(store: Store, step: int, kind: str, path: str) -> None:
    """One step."""
    if kind == "put":
        put(store, path, frames(count_of(step), seed=step))
    elif kind == "compact":
        store.compact()
    else:
        store.remove([video.id for video in store.videos() if video.path == path])


def die_at(moment: str, store: Store, *, step: int) -> None:
    """Arrange for a kill in the middle of a step."""

    def killing(original: Callable[..., Any]) -> Callable[..., NoReturn]:
        def run(*arguments: Any, **named: Any) -> NoReturn:
            original(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError(f"alive after a kill at step {step}")

        return run

    frames_table: Any = store._tables.frames
    if moment == "frames written":
        frames_table.add = killing(frames_table.add)
    elif moment == "segments written":
        assert store._tables.levels is not None
        segments_table: Any = store._tables.levels.segments
        segments_table.add = killing(segments_table.add)
    elif moment == "video written":
        store._put = killing(store._put)  # type: ignore[method-assign]
    elif moment == "joined":
        upkeep._join = killing(upkeep._join)


def main(uri: str, seed: str, moment: str = "") -> None:
    """Write until killed."""
    store = Store.open(uri)
    upkeep.FRAGMENTS = 8
    print("ready", flush=True)
    for step, (kind, path) in enumerate(steps(int(seed))):
        if step == 12 and moment:
            die_at(moment, store, step=step)
        perform(store, step, kind, path)
        print(step, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
