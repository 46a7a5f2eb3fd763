"""Files appear whole or not at all; one process writes at a time."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vidskim.errors import StoreBusyError
from vidskim.store.disk import Location, bytes_below, locked, user_cache, writing


def test_a_folder_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    location = Location.of("library/")
    assert location.folder == Path(os.getcwd()) / "library"
    assert location.uri == str(location.folder)
    assert location.cache == location.folder / ".cache"


def test_a_file_uri_is_a_folder(tmp_path: Path) -> None:
    assert Location.of(f"file://{tmp_path}/a%20b").folder == tmp_path / "a b"


def test_an_object_store_has_its_cache_with_the_user(tmp_path: Path) -> None:
    location = Location.of("s3://bucket/library/")
    assert location.folder is None
    assert location.uri == "s3://bucket/library"
    assert location.cache == user_cache("s3://bucket/library")
    assert location.cache.is_relative_to(tmp_path / "user-cache")


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


def test_bytes_are_counted_below(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(bytes(10))
    (tmp_path / "a" / "b" / "y").write_bytes(bytes(5))
    assert bytes_below(tmp_path) == 15


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
    message = f"another process has been writing to {tmp_path} for 0.05 s; wait for it to end"
    with (
        locked(tmp_path, wait_s=0),
        pytest.raises(StoreBusyError, match=message),
        locked(tmp_path, wait_s=0.05),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from vidskim.store.disk import locked\n"
        "with locked(Path(sys.argv[1]), wait_s=0):\n    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusyError), locked(tmp_path, wait_s=0):
            pass
        holder.kill()
    with locked(tmp_path, wait_s=5):
        pass
