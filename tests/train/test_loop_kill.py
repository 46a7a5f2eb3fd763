"""A training whose process is ended from outside goes on with the same curve."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_task import Regression, noisy_net, toy_settings

from vidskim.train.checkpoint import list_checkpoints
from vidskim.train.loop import fit
from vidskim.train.metrics import read_metrics

SCRIPT = Path(__file__).with_name("toy_task.py")


def finish(out: Path) -> int | None:
    return fit(Regression(noisy_net(), noise=0.3), toy_settings(steps=300), out).resumed_from


def losses(out: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in read_metrics(out)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, float, float]]:
    out = tmp_path_factory.mktemp("whole")
    finish(out)
    return losses(out)


def train_until(out: Path, *, step: int, workers: int) -> "subprocess.Popen[bytes]":
    """A training in a process group of its own, once it has that step's checkpoint."""
    command = [sys.executable, str(SCRIPT), "train", str(out), str(workers)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    limit = time.monotonic() + 60
    while max(list_checkpoints(out), default=0) < step:
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.01)
    return process


def has_ended(group: int) -> bool:
    """Whether every process of a group is gone, waiting a little for those just ended to be cleared away."""
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_killed_training_goes_on_where_its_checkpoint_stands(
    tmp_path: Path, whole: list[tuple[int, float, float]]
) -> None:
    with train_until(tmp_path, step=28, workers=0) as process:
        process.kill()
    stood = max(list_checkpoints(tmp_path))
    assert stood % 7 == 0
    assert stood < 300
    assert finish(tmp_path) == stood
    assert losses(tmp_path) == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_reaches_workers_too_is_as_ctrl_c_and_none_is_left(
    tmp_path: Path, whole: list[tuple[int, float, float]], number: signal.Signals
) -> None:
    with train_until(tmp_path, step=28, workers=1) as process:
        os.killpg(process.pid, number)
        _, told = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert told.decode().count("Traceback") == 1  # this process's own KeyboardInterrupt
    assert has_ended(process.pid)
    stood = max(list_checkpoints(tmp_path))
    assert 28 <= stood < 300
    assert finish(tmp_path) == stood
    assert losses(tmp_path) == whole
