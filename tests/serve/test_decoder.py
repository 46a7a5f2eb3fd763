"""What decoding makes of files that strangers made."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from vidskim.serve.decoder import run_task


def test_a_picture_with_too_many_pixels() -> None:
    buffer = BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 100_000
    head, payload = run_task("picture", {}, buffer.getvalue())
    assert (head["problem"], payload) == ("too_large", b"")
    assert "9000x9000 pixels" in head["message"]


def test_other_picture_formats_are_refused() -> None:
    for data in (b"%!PS-Adobe-3.0 EPSF-3.0\n", b"P6 1 1 255 abc", b""):
        assert run_task("picture", {}, data)[0]["problem"] == "unreadable_image"


def test_playlists_and_addresses_are_refused(tmp_path: Path) -> None:
    for name, text in (
        ("a.mp4", "#EXTM3U\nfile:///etc/passwd\n"),
        ("b.mp4", "ffconcat version 1.0\nfile /etc/passwd"),
    ):
        (tmp_path / name).write_text(text)
        head, _ = run_task("inspect", {"path": str(tmp_path / name), "pixels": 1, "duration_s": 1}, b"")
        assert head["problem"] == "unreadable_video"
    head, _ = run_task("thumbnail", {"path": "http://127.0.0.1/x.mp4", "at_s": 0, "side": 160}, b"")
    assert head["problem"] == "unreadable_video"


def test_the_process_starts_without_what_it_does_not_need() -> None:
    code = (
        "import sys, vidskim.serve.decoder; print(sorted({'torch', 'fastapi', 'lancedb'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
