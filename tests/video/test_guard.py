"""What is let in: local files only, within limits, within memory."""

from pathlib import Path

import pytest

from vidskim.errors import CannotOpenError, SettingsError, VideoTooLargeError
from vidskim.video.guard import Limits, check_memory, frames_within, local_file


def test_only_local_files(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    assert local_file(path) == f"file:{path}"
    for name in ("http://example.com/a.mp4", "rtsp://h/a", str(tmp_path), str(tmp_path / "b"), "bad\0name"):
        with pytest.raises(CannotOpenError, match="no such local file"):
            local_file(name)


def test_limits_must_be_above_zero() -> None:
    with pytest.raises(SettingsError, match=r"Limits.side must be above 0, received 0"):
        Limits(side=0)


def test_memory_message_has_the_numbers() -> None:
    check_memory(10, 100, 100, max_bytes=300_000, path="a")
    with pytest.raises(
        VideoTooLargeError, match=r"a: 1000 frames of 1920x1080 need 5.79 GiB, above max_bytes \(2.00"
    ):
        check_memory(1000, 1080, 1920, max_bytes=2 * 2**30, path="a")
    assert frames_within(1000, 10, 10) == 3
    assert frames_within(10, 10, 10) == 1
