"""A folder of videos: the same bytes each time, resumed, refused, and true to its scripts."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.synth import library
from vidskim.synth.annotate import annotate, read_annotations
from vidskim.synth.library import LibraryReport, VideoDone, write_library
from vidskim.synth.render import render_frame
from vidskim.synth.world import World, read_world
from vidskim.video.read import probe, read_video

SMALL: dict[str, Any] = {"videos": 3, "seed": 2, "fps": 5, "height": 72, "width": 96}
WORLD = World(**SMALL)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LibraryReport, list[VideoDone]]:
    folder, told = tmp_path_factory.mktemp("library") / "world", list[VideoDone]()
    return folder, write_library(folder, **SMALL, workers=1, on_video=told.append), told


@pytest.fixture
def folder(written: tuple[Path, LibraryReport, list[VideoDone]], tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(written[0], tmp_path / "world")


def test_everything_is_there(written: tuple[Path, LibraryReport, list[VideoDone]]) -> None:
    folder, report, told = written
    names = [f"test-2-{number:05d}.mp4" for number in range(3)]
    assert sorted(path.name for path in (folder / "videos").iterdir()) == names
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "activitynet.json",
        "annotations.jsonl",
        "videos",
        "world.json",
    }
    assert read_world(folder) == WORLD
    assert read_annotations(folder) == annotate(WORLD.scripts())
    frames = [WORLD.frames(script) for script in WORLD.scripts()]
    assert (report.videos, report.rendered, report.frames) == (3, 3, sum(frames))
    assert report.events == len(read_annotations(folder))
    assert report.frames_per_s == pytest.approx(sum(frames) / report.wall_s)
    assert report.times_real_time == pytest.approx(report.video_s / report.wall_s, rel=1e-3)
    assert [video.name for video in told] == names
    assert [(video.done, video.videos, video.frames) for video in told] == [
        (place + 1, 3, sum(frames[: place + 1])) for place in range(3)
    ]


def test_videos_are_their_scripts(written: tuple[Path, LibraryReport, list[VideoDone]]) -> None:
    for script in WORLD.scripts()[:2]:
        path = written[0] / "videos" / f"{script.name}.mp4"
        info, clip = probe(path), read_video(path)
        assert (info.codec, info.frame_rate) == ("h264", 5.0)
        assert clip.times_s == pytest.approx(np.arange(len(clip.frames)) / 5)
        assert len(clip.frames) / 5 == pytest.approx(script.duration_s, abs=0.5 / 5 + 1e-6)
        for number in range(0, len(clip.frames), 15):
            shown = render_frame(script, number / 5, height=72, width=96)
            assert np.abs(clip.frames[number].astype(int) - shown).mean() < 6


def test_the_same_bytes_from_two_processes(
    written: tuple[Path, LibraryReport, list[VideoDone]], tmp_path: Path
) -> None:
    report = write_library(tmp_path / "world", **SMALL, workers=2)
    assert report.workers == 2
    assert digests(tmp_path / "world") == digests(written[0])


def test_the_same_bytes_whatever_memory_held_before(tmp_path: Path) -> None:
    """x264 has read memory it had not written: see ENCODER. The C library of Linux fills it with anything wanted."""
    code = (
        "import sys; from pathlib import Path; from vidskim.synth.worker import make_video;"
        "from vidskim.synth.world import World;"
        "make_video(World(videos=1, seed=2, fps=15, height=64, width=80), 0, Path(sys.argv[1]))"
    )
    for value in ("1", "170"):
        fill = {"MALLOC_PERTURB_": value, "MALLOC_MMAP_THRESHOLD_": "1000000000"}
        arguments = [sys.executable, "-c", code, str(tmp_path / f"{value}.mp4")]
        subprocess.run(arguments, env={**os.environ, **fill}, check=True)
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "170.mp4").read_bytes()


def test_what_is_missing_is_made_again_and_nothing_else(folder: Path) -> None:
    before = digests(folder)
    lost = folder / "videos" / "test-2-00001.mp4"
    lost.unlink()
    (folder / "videos" / "test-2-00002.mp4").write_bytes(b"")
    (folder / "videos" / ".test-2-00001.77.partial.mp4").write_bytes(b"left by a kill")
    kept = (folder / "videos" / "test-2-00000.mp4").stat().st_mtime_ns
    told: list[VideoDone] = []
    report = write_library(folder, **SMALL, workers=1, on_video=told.append)
    assert (report.videos, report.rendered) == (3, 2)
    assert [(video.name[-5], video.skipped) for video in told] == [("0", True), ("1", False), ("2", False)]
    assert told[-1].frames == report.rendered_frames == sum(map(WORLD.frames, WORLD.scripts()[1:]))
    assert (folder / "videos" / "test-2-00000.mp4").stat().st_mtime_ns == kept
    assert digests(folder) == before
    again = write_library(folder, **SMALL, workers=2)
    assert (again.rendered, again.frames_per_s, again.times_real_time) == (0, 0, 0)
    assert digests(folder) == before


def test_an_interrupt_leaves_whole_videos_and_no_annotations(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(folder)
    make = library.make_video

    def interrupted(world: World, number: int, path: Path) -> int:
        if number == 1:
            monkeypatch.setattr("vidskim.synth.worker._until_stopped", cut_short)
        return make(world, number, path)

    def cut_short(items: Iterator[Any]) -> Iterator[Any]:
        yield next(items)
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "make_video", interrupted)
    fresh = tmp_path / "fresh"
    with pytest.raises(KeyboardInterrupt):
        write_library(fresh, **SMALL, workers=1)
    assert set(digests(fresh)) == {".lock", "world.json", "videos/test-2-00000.mp4"}
    monkeypatch.undo()
    assert write_library(fresh, **SMALL, workers=1).rendered == 2
    assert digests(fresh) == before


def test_annotations_wait_for_the_last_video(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "videos" / "test-2-00001.mp4").unlink()

    def failing(world: World, number: int, path: Path) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(library, "make_video", failing)
    with pytest.raises(OSError, match="disk full"):
        write_library(folder, **SMALL, workers=1)
    assert not (folder / "annotations.jsonl").exists()
    assert not (folder / "activitynet.json").exists()


def test_an_error_half_way_stops_the_processes(tmp_path: Path) -> None:
    def spoil(video: VideoDone) -> None:
        raise RuntimeError(f"no more after {video.done}")

    with pytest.raises(RuntimeError, match="no more after 1"):
        write_library(tmp_path / "world", **{**SMALL, "videos": 6}, workers=2, on_video=spoil)
    left = [path.name for path in (tmp_path / "world" / "videos").iterdir()]
    assert 1 <= len(left) < 6
    assert not [name for name in left if "partial" in name]


def test_a_process_that_dies_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; from vidskim.synth.library import write_library;"
        "write_library(sys.argv[1], videos=2, fps=4, height=48, width=64, workers=2)"
    )
    script = tmp_path / "no_guard.py"
    script.write_text(code)
    arguments = [sys.executable, script, tmp_path / "world"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "VidskimError: a rendering process ended before its work was done" in done.stderr
    assert list((tmp_path / "world" / "videos").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 3}, r"holds videos of another world \(seed: 2 -> 3\)\. Use its arguments"),
        ({"videos": 2}, r"another world \(videos: 3 -> 2\)"),
        ({"fps": 6, "width": 98}, r"another world \(fps: 5\.0 -> 6\.0; width: 96 -> 98\)"),
    ],
)
def test_another_world_is_refused(folder: Path, change: dict[str, Any], message: str) -> None:
    before = digests(folder)
    with pytest.raises(SettingsError, match=message):
        write_library(folder, **{**SMALL, **change}, workers=1)
    assert digests(folder) == before


@pytest.mark.parametrize(
    ("place", "workers"), [("mine.txt", 1), ("videos/mine.mp4", 1), ("mine/deep.txt", 1)]
)
def test_a_folder_with_other_files_is_refused(tmp_path: Path, place: str, workers: int) -> None:
    path = tmp_path / "world" / place
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(
        SettingsError, match=rf"has other files, such as {place.split('/deep')[0]}, and no world.json"
    ):
        write_library(tmp_path / "world", **SMALL, workers=workers)
    with pytest.raises(SettingsError, match="is a file; name a folder that is new or empty"):
        write_library(path, **SMALL, workers=workers)
    assert path.read_text() == "mine"


def test_numbers_of_processes_are_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="workers must be 0 or more, or None for one a core, received -1"):
        write_library(tmp_path / "world", **SMALL, workers=-1)
    assert not (tmp_path / "world").exists()
    assert 1 <= library.usable_cores() <= (os.cpu_count() or 1)


def test_videos_of_actions_are_listed_with_their_classes(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"videos": 4, "seed": 1, "fps": 5, "height": 32, "width": 40, "actions": True}
    write_library(tmp_path, **settings, workers=1)
    assert read_world(tmp_path) == World(**settings)
    listed = read_labelled_lines(tmp_path / "actions.csv")
    scripts = World(**settings).scripts()
    assert listed == [(f"videos/{script.name}.mp4", script.events[0].actor.action) for script in scripts]
    assert all((tmp_path / path).is_file() for path, _ in listed)
    with pytest.raises(SettingsError, match="holds videos of another world"):
        write_library(tmp_path, **{**settings, "actions": False}, workers=1)


def read_labelled_lines(path: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split(",")) for line in path.read_text().splitlines()]
