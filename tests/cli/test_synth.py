"""vidskim synth: files, numbers, exit codes, and an interrupt that can be gone on from."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vidskim.cli.main import main
from vidskim.cli.synth import read_size
from vidskim.errors import SettingsError
from vidskim.synth.annotate import read_annotations

SMALL = ["--videos", "2", "--size", "64x48", "--fps", "4", "--seed", "1", "--workers", "1"]


def run(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(["synth", str(folder), *SMALL, *options])
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


def test_videos_sheet_and_numbers_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, tmp_path / "world")
    assert code == 0
    assert out.startswith("2 videos, ")
    assert "\nshape: circle " in out
    assert "2 videos rendered in " in out
    assert " times real time\n" in out
    assert "look at " in out
    assert "2/2 videos, " in err
    assert len(list((tmp_path / "world" / "videos").glob("test-1-*.mp4"))) == 2
    with Image.open(tmp_path / "world" / "sheet.png") as sheet:
        assert sheet.width > 1000
    code, out, _ = run(capsys, tmp_path / "world")
    assert code == 0
    assert "nothing to render: all videos were there" in out


def test_one_document_for_machines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "world"
    code, out, _ = run(capsys, folder, "--no-sheet", "--json", "--split", "train")
    document: dict[str, Any] = json.loads(out)
    assert (code, document["folder"], document["sheet"]) == (0, str(folder), None)
    assert (document["videos"], document["rendered"], document["workers"]) == (2, 2, 1)
    assert document["events"] == document["statistics"]["events"]["count"] == len(read_annotations(folder))
    assert document["statistics"]["events"]["share_held_out"] == 0
    assert document["frames"] == document["rendered_frames"] == pytest.approx(4 * document["video_s"], abs=1)
    assert document["frames_per_s"] > 0
    assert not (folder / "sheet.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "64"], "--size takes WIDTHxHEIGHT such as 320x240, received '64'"),
        (["--size", "8x48"], "width must be a whole number, 16 to 4096, received 8"),
        (["--fps", "0"], "fps must be 1 to 240, received 0"),
        (["--split", "tst"], "Did you mean 'test'"),
    ],
)
def test_wrong_values_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], message: str
) -> None:
    code, out, _ = run(capsys, tmp_path / "world", *options, "--json")
    error = json.loads(out)["error"]
    assert (code, error["type"]) == (2, "SettingsError")
    assert message in error["message"]
    assert not (tmp_path / "world").exists()


def test_another_world_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, tmp_path / "world", "--no-sheet")[0] == 0
    code, out, err = run(capsys, tmp_path / "world", "--seed", "2")
    assert (code, out) == (2, "")
    assert "holds videos of another world (seed: 1 -> 2). Use its arguments to go on with it" in err


@pytest.mark.parametrize(("text", "size"), [("320x240", (320, 240)), ("64X48", (64, 48))])
def test_sizes_are_width_first(text: str, size: tuple[int, int]) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "320", "320x", "x240", "-1x5", "3.5x4", "1x2x3", "²x²"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(SettingsError, match="takes WIDTHxHEIGHT"):
        read_size(text)


@pytest.mark.parametrize(
    ("number", "all_of_them"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)]
)
def test_an_interrupt_leaves_nothing_half_written(
    tmp_path: Path, number: signal.Signals, all_of_them: bool
) -> None:
    """Ctrl-C, and often SIGTERM, reaches the process and its workers; no partial file and no worker stays behind."""
    folder = tmp_path / "world"
    code = "from vidskim.cli.main import main\nif __name__ == '__main__': main()"
    script = tmp_path / "run.py"
    script.write_text(code)
    arguments = ["synth", str(folder), "--videos", "40", "--size", "128x96", "--workers", "2", "--no-sheet"]
    process = subprocess.Popen(
        [sys.executable, script, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    patience = time.monotonic() + 60
    while not list(folder.glob("videos/test-*.mp4")) and time.monotonic() < patience:
        time.sleep(0.02)
    (os.killpg if all_of_them else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("interrupted; run the same command again to go on\n")
    assert "Traceback" not in err
    left = [path.name for path in (folder / "videos").iterdir()]
    assert 1 <= len(left) < 40
    assert not [name for name in left if "partial" in name]
    assert not (folder / "annotations.jsonl").exists()


def test_actions_come_with_a_list(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, _ = run(capsys, tmp_path / "actions", "--actions", "--no-sheet")
    assert code == 0
    lines = (tmp_path / "actions" / "actions.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"videos/test-action-1-0000{number}.mp4" for number in range(2)
    ]
