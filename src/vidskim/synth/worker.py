"""A process that renders videos. Numpy comes late here, after its number of threads is settled."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from vidskim.synth.world import World

Item = TypeVar("Item")

ENCODER = {"preset": "veryfast", "crf": "20"}
GOP = 45
_stop: Event | None = None


class StoppedError(Exception):
    """The process that started this one does not want the rest."""


def start(stop: Event) -> None:
    """Called once in each process.

    Args:
        stop: set when work should end in the middle; Ctrl-C and SIGTERM are the parent's business alone.
    """
    global _stop
    _stop = stop
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # processes are the parallelism; threads inside numpy's small products only wait for each other
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def make_video(world: "World", number: int, path: Path) -> int:
    """Render and encode video `number`; the file appears when it is complete.

    Returns:
        Number of frames.

    Raises:
        StoppedError: the parent does not want it any more; nothing is left behind.
    """
    from vidskim.synth.render import render_video
    from vidskim.video.write import write_video

    script = world.script(number)
    frames = render_video(script, fps=world.fps, height=world.height, width=world.width)
    write_video(path, _until_stopped(frames), world.fps, gop=GOP, options=ENCODER, threads=1)
    return world.frames(script)


def _until_stopped(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        if _stop is not None and _stop.is_set():
            raise StoppedError
        yield item


def _leave_with_parent() -> None:
    """A parent that is killed cannot say so: without this, its workers would wait for ever."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
