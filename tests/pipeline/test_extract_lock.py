"""One folder, one process at a time: what is to do is decided by the one that holds the lock."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.pipeline import test_extract as stand_in
from tests.pipeline.test_extract import StandInEncoder, make_videos, run, snapshot

from vidskim.disk import locked
from vidskim.errors import FingerprintError, SettingsError, VidskimError
from vidskim.pipeline import extract as module


def test_a_second_process_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    many = {f"w{index}": {"frames": 6, "shade": index} for index in range(12)}
    videos, out = make_videos(tmp_path / "in", **many), tmp_path / "out"
    command = [sys.executable, str(stand_in.__file__), str(tmp_path / "in"), str(out), "99"]
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while worker.poll() is None and not list(out.glob("*.safetensors")):
        time.sleep(0.002)
    with pytest.raises(VidskimError, match="another process is writing to"):
        run(videos, out, overwrite=True)
    assert worker.wait(timeout=20) == 0
    before = snapshot(out)
    assert run(videos, out).skipped == len(videos)
    assert snapshot(out) == before


def test_what_is_to_do_is_decided_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    free: list[bool] = []
    real = module.make_agenda

    def spy(sources: Any, **options: Any) -> Any:
        try:
            with locked(out):
                free.append(True)
        except VidskimError:
            free.append(False)
        return real(sources, **options)

    out.mkdir()
    monkeypatch.setattr(module, "make_agenda", spy)
    run(videos, out)
    assert free == [False]


def test_a_refusal_leaves_no_new_folder_and_gives_the_lock_back(tmp_path: Path) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    with pytest.raises(SettingsError, match="unknown format"):
        run(videos, out, format="npz")
    assert not out.exists()
    run(videos, out)
    with pytest.raises(FingerprintError):
        run(videos, out, StandInEncoder(method="reuse"))
    with locked(out):
        pass


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(VidskimError, match=r"cannot write .*out: File exists"):
        run(make_videos(tmp_path / "in"), tmp_path / "out")


def test_videos_on_a_disk_that_is_away_keep_their_features(tmp_path: Path) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    run(videos, out)
    kept = sorted(out.rglob("*.safetensors"))
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    assert run(videos, out).failed == len(videos)
    assert sorted(out.rglob("*.safetensors")) == kept
    (tmp_path / "elsewhere").rename(tmp_path / "in")
    assert run(videos, out).skipped == len(videos)


def test_another_format_or_number_type_is_refused(tmp_path: Path) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    run(videos, out)
    with pytest.raises(FingerprintError, match=r"holds features as safetensors.*this run writes npy"):
        run(videos, out, format="npy")
    half = StandInEncoder()
    half.dtype = torch.bfloat16
    with pytest.raises(FingerprintError, match="dtype: float32 -> bfloat16"):
        run(videos, out, half)
    run(videos, out, format="npy", overwrite=True)
    assert not list(out.rglob("*.safetensors"))
    assert run(videos, out, format="npy").skipped == len(videos)
