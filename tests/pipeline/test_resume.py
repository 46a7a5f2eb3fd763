"""What is left to do: light on memory and file descriptors, and nothing finished is given up."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vidskim.errors import VidskimError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline import resume
from vidskim.pipeline.files import FORMATS, FeatureFile, write_features
from vidskim.pipeline.resume import Agenda, Run, make_agenda
from vidskim.pipeline.sources import Source, source_id
from vidskim.pipeline.summary import Summary

RUN = Run(Fingerprint(model="stand-in", weights="0", preparation={}, method="full"), {"fps": 3.0})
FEW = 40


def sources_in(folder: Path) -> list[Source]:
    return [Source(path, path.name) for path in sorted((folder / "in").glob("*.mp4"))]


def make_done(folder: Path, *, count: int, format: str) -> list[Source]:
    """So many videos with whole outputs."""
    (folder / "in").mkdir()
    for index in range(count):
        (folder / "in" / f"{index}.mp4").write_text(str(index))
    for source in sources_in(folder):
        metadata = {**RUN.metadata(), "source_id": source_id(source.path)}
        record = FeatureFile(np.ones((2, 3), np.float32), np.zeros(2), np.ones(2, np.uint8), metadata)
        write_features(record, out=folder / "out", name=source.name, format=format)
    return sources_in(folder)


def agenda_of(folder: Path, format: str) -> Agenda:
    return make_agenda(sources_in(folder), out=folder / "out", run=RUN, format=format)


@pytest.mark.parametrize("format", FORMATS)
def test_finished_videos_leave_no_arrays_in_memory(tmp_path: Path, format: str) -> None:
    make_done(tmp_path, count=2, format=format)
    agenda = agenda_of(tmp_path, format)
    assert [source.name for source in agenda.skipped] == ["0.mp4", "1.mp4"]
    for summary in agenda.found.values():
        assert isinstance(summary, Summary)
        assert not any(isinstance(value, np.ndarray) for value in vars(summary).values())


@pytest.mark.parametrize("format", FORMATS)
def test_more_finished_videos_than_file_descriptors(tmp_path: Path, format: str) -> None:
    make_done(tmp_path, count=2 * FEW, format=format)
    worker = [sys.executable, __file__, str(tmp_path), format]
    result = subprocess.run(worker, capture_output=True, text=True, check=True)
    assert result.stdout == f"0 {2 * FEW}\n"


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.EMFILE])
def test_an_output_that_cannot_be_read_now_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    make_done(tmp_path, count=1, format="npy")

    def fail(out: Path, name: str, format: str) -> Summary:
        raise OSError(error, os.strerror(error), str(out / name))

    monkeypatch.setattr(resume, "read_summary", fail)
    with pytest.raises(
        VidskimError, match=rf"cannot read .*0\.mp4: {os.strerror(error)}; it may hold finished"
    ):
        agenda_of(tmp_path, "npy")


def test_a_video_that_cannot_be_read_is_to_do_unless_descriptors_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = make_done(tmp_path, count=1, format="npy")
    source.path.unlink()
    gone = make_agenda([source], out=tmp_path / "out", run=RUN, format="npy")
    assert gone.todo == [source]

    def fail(path: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(resume, "source_id", fail)
    with pytest.raises(VidskimError, match=r"cannot read .*Too many open files; nothing was changed"):
        make_agenda([source], out=tmp_path / "out", run=RUN, format="npy")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW))
    found = agenda_of(Path(sys.argv[1]), sys.argv[2])
    print(len(found.todo), len(found.skipped))
