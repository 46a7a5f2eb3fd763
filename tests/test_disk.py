"""Files appear whole or not at all; one process writes at a time."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vidskim.disk import locked, writing
from vidskim.errors import BusyError


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with writing(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"


def test_after_an_error_the_old_file_stands_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with writing(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_second_writer_waits_its_turn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    order = []

    def second() -> None:
        with locked(tmp_path, wait_s=30):
            order.append("second")

    with locked(tmp_path, wait_s=0):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert caplog.text.count(f"another process is writing to {tmp_path}; waiting for it") == 1


def test_a_second_writer_gives_up_with_a_reason(tmp_path: Path) -> None:
    message = f"another process is writing to {tmp_path}, and has been for 0.05 s; wait for it to end, or use another"
    with (
        locked(tmp_path, wait_s=0),
        pytest.raises(BusyError, match=message),
        locked(tmp_path, wait_s=0.05),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from vidskim.disk import locked\n"
        "with locked(Path(sys.argv[1]), wait_s=0):\n    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError), locked(tmp_path, wait_s=0):
            pass
        holder.kill()
    with locked(tmp_path, wait_s=5):
        pass
