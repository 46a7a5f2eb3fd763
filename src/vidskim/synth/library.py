"""A folder of synthetic videos with annotations: videos/NAME.mp4, annotations.jsonl, activitynet.json, world.json.

Videos of actions have actions.csv too.

The same arguments give the same bytes of every file, whatever the number of processes.
"""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vidskim.disk import locked, writing
from vidskim.errors import SettingsError, VidskimError
from vidskim.synth.annotate import (
    ACTION_LIST,
    ACTIVITYNET,
    ANNOTATIONS,
    ENDING,
    VIDEOS,
    annotate,
    write_action_list,
    write_annotations,
)
from vidskim.synth.script import Script
from vidskim.synth.vocabulary import Split
from vidskim.synth.worker import make_video, start
from vidskim.synth.world import WORLD, World, differences, read_description


@dataclass(frozen=True)
class VideoDone:
    """Sent after each video.

    Args:
        name: of the file.
        skipped: whether it was there before.
        done: videos that are there now.
        videos: in all.
        frames: rendered in this run, so far.
    """

    name: str
    skipped: bool
    done: int
    videos: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class LibraryReport:
    """What is in the folder, and what this run did for it.

    Args:
        folder: where everything is.
        videos: in the folder.
        events: with an annotation each.
        frames: in all videos.
        video_s: seconds of video.
        rendered: videos made in this run; the others were there.
        rendered_frames: frames of those.
        rendered_s: seconds of video of those.
        wall_s: seconds this run took.
        workers: processes that rendered.
    """

    folder: Path
    videos: int
    events: int
    frames: int
    video_s: float
    rendered: int
    rendered_frames: int
    rendered_s: float
    wall_s: float
    workers: int

    @property
    def frames_per_s(self) -> float:
        """Frames rendered and encoded in a second of wall time."""
        return self.rendered_frames / self.wall_s if self.wall_s else 0.0

    @property
    def times_real_time(self) -> float:
        """Seconds of video made in a second of wall time."""
        return self.rendered_s / self.wall_s if self.wall_s else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **asdict(self),
            "folder": str(self.folder),
            "video_s": round(self.video_s, 1),
            "rendered_s": round(self.rendered_s, 1),
            "wall_s": round(self.wall_s, 2),
            "frames_per_s": round(self.frames_per_s, 1),
            "times_real_time": round(self.times_real_time, 2),
        }


def write_library(
    folder: str | os.PathLike[str],
    *,
    videos: int,
    split: Split | str = "test",
    seed: int = 0,
    fps: float = 15,
    height: int = 240,
    width: int = 320,
    actions: bool = False,
    workers: int | None = None,
    on_video: Callable[[VideoDone], None] | None = None,
) -> LibraryReport:
    """Write videos and their annotations, or what is missing of them.

    Run again after a crash or Ctrl-C, it goes on: files appear under their names only when they are complete, and
    the annotations come last. A script that asks for more than one process needs `if __name__ == "__main__":`.

    Args:
        folder: new, empty, or left by the same arguments.
        videos, split, seed, fps, height, width: as of `World`.
        actions: short videos of one action each, listed in actions.csv.
        workers: processes; 0 and 1 render in this one, None takes one for each usable core.
        on_video: called after each video, those already there first.

    Raises:
        SettingsError: a value is out of range, or the folder holds something else.
        VidskimError: another process is writing to the folder, or one of ours died.
    """
    picture: dict[str, Any] = {"fps": float(fps), "height": height, "width": width}
    world = World(videos=videos, split=str(split), seed=seed, actions=actions, **picture)
    started = time.perf_counter()
    if workers is not None and workers < 0:
        raise SettingsError(f"workers must be 0 or more, or None for one a core, received {workers}")
    target, scripts, description = Path(folder), world.scripts(), world.describe()
    _check_folder(target, description)
    (target / VIDEOS).mkdir(parents=True, exist_ok=True)
    with locked(target):
        _check_folder(target, description)  # once more: now nobody else can change it
        if read_description(target) is None:
            with writing(target / WORLD) as file:
                file.write(json.dumps(description, indent=1).encode() + b"\n")
        todo = _missing(target, scripts)
        processes = max(1, min(len(todo), usable_cores() if workers is None else workers))
        rendered = _render(target, world, todo, scripts, processes, on_video or (lambda video: None))
        _annotate(target, world, scripts)
    return LibraryReport(
        folder=target,
        videos=videos,
        events=description["counts"]["events"],
        frames=description["counts"]["frames"],
        video_s=description["counts"]["seconds"],
        rendered=len(todo),
        rendered_frames=rendered,
        rendered_s=sum(scripts[number].duration_s for number in todo),
        wall_s=time.perf_counter() - started,
        workers=processes,
    )


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_folder(folder: Path, description: dict[str, Any]) -> None:
    """Raise if the folder holds something that is not part of this world."""
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file; name a folder that is new or empty")
    theirs = read_description(folder)
    if theirs is not None:
        changed = differences(theirs, description)
        if changed:
            raise SettingsError(
                f"{folder} holds videos of another world ({'; '.join(changed)}). "
                "Use its arguments to go on with it, name another folder, or delete this one"
            )
        return
    # hidden files and an empty videos/ are what a run leaves that was stopped before world.json
    found = [entry for entry in _entries(folder) if entry.name != VIDEOS] + _entries(folder / VIDEOS)
    if found:
        raise SettingsError(
            f"{folder} has other files, such as {found[0].relative_to(folder)}, and no {WORLD}; "
            "name a folder that is new or empty"
        )


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _missing(folder: Path, scripts: Sequence[Script]) -> list[int]:
    """Numbers of the videos to do. What a killed run left half written is removed, and annotations wait for the end."""
    for partial in (folder / VIDEOS).glob(f".*.partial{ENDING}"):
        partial.unlink()
    paths = [_video_path(folder, script) for script in scripts]
    missing = [
        number for number, path in enumerate(paths) if not (path.is_file() and path.stat().st_size > 0)
    ]
    if missing:
        for name in (ANNOTATIONS, ACTIVITYNET, ACTION_LIST):
            (folder / name).unlink(missing_ok=True)
    return missing


def _annotate(folder: Path, world: World, scripts: Sequence[Script]) -> None:
    annotations = annotate(scripts)
    write_annotations(folder, annotations)
    if world.actions:
        write_action_list(folder, annotations)


def _video_path(folder: Path, script: Script) -> Path:
    return folder / VIDEOS / f"{script.name}{ENDING}"


def _render(
    folder: Path,
    world: World,
    todo: list[int],
    scripts: Sequence[Script],
    processes: int,
    on_video: Callable[[VideoDone], None],
) -> int:
    """Make the videos of `todo`, telling about every video; returns the number of frames made."""
    frames, done, waiting = 0, 0, set(todo)
    for number, script in enumerate(scripts):
        if number not in waiting:
            done += 1
            on_video(VideoDone(script.name + ENDING, True, done, len(scripts), 0))
    jobs = [(world, number, _video_path(folder, scripts[number])) for number in todo]
    with closing(_make_in_turn(jobs) if processes == 1 else _make_in_processes(jobs, processes)) as made:
        for number, count in made:
            frames, done = frames + count, done + 1
            on_video(VideoDone(scripts[number].name + ENDING, False, done, len(scripts), frames))
    return frames


def _make_in_turn(jobs: list[tuple[World, int, Path]]) -> Generator[tuple[int, int], None, None]:
    for job in jobs:
        yield job[1], make_video(*job)


def _make_in_processes(
    jobs: list[tuple[World, int, Path]], processes: int
) -> Generator[tuple[int, int], None, None]:
    """Number and frames of each video, in the order they get ready; stopping half way stops the processes."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=start, initargs=(stop,))
    try:
        numbers = {pool.submit(make_video, *job): job[1] for job in jobs}
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BrokenProcessPool as error:
        raise VidskimError(
            "a rendering process ended before its work was done: out of memory, or started from a script without "
            '`if __name__ == "__main__":`. Run the same again with workers=1 to go on in this process'
        ) from error
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
