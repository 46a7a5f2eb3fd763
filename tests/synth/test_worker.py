"""What a rendering process does when it should end."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vidskim.synth import worker
from vidskim.synth.worker import StoppedError, make_video
from vidskim.synth.world import World

WORLD = World(videos=1, fps=5, height=48, width=64)


def test_numpy_waits_until_its_threads_are_settled() -> None:
    code = "import sys, vidskim.synth.worker; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_video_that_is_not_wanted_any_more_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    monkeypatch.setattr(worker, "_stop", stop)
    assert make_video(WORLD, 0, tmp_path / "a.mp4") == WORLD.frames(WORLD.script(0))
    stop.set()
    with pytest.raises(StoppedError):
        make_video(WORLD, 0, tmp_path / "b.mp4")
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_a_worker_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """The parent is killed while its worker waits for work; the worker goes too."""
    code = """
import multiprocessing, os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from vidskim.synth.worker import start

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=context, initializer=start, initargs=(context.Event(),))
    pool.submit(os.getpid).result()
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    script = tmp_path / "parent.py"
    script.write_text(code)
    # the worker holds the other end of stdout, so this returns when the worker is gone
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -9
    assert done.stdout == "ready\n"
