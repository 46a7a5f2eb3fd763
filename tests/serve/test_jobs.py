"""Jobs on disk."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vidskim.serve.jobs import KEPT, JobBook
from vidskim.serve.refusal import RefusedError


def test_a_book_is_read_again_as_it_was(tmp_path: Path) -> None:
    book = JobBook(tmp_path)
    job = book.create("clips", ["/a.mp4", "/b.mp4"], reindex=True)
    job = replace(
        job.begun(), done=2, failures=({"video": "b", "kind": "damaged", "message": "é\ud800"},)
    ).ended("done")
    book.put(job)
    assert JobBook(tmp_path).get(job.id) == job


def test_what_was_under_way_is_interrupted(tmp_path: Path) -> None:
    book = JobBook(tmp_path)
    waiting, running = book.create("one", ["/a.mp4"]), book.create("two", ["/b.mp4"])
    book.put(running.begun())
    again = JobBook(tmp_path)
    assert {again.get(job.id).state for job in (waiting, running)} == {"interrupted"}
    assert again.get(running.id).attempt == 1
    assert again.get(running.id).ended_at is not None


def test_a_key_names_the_job_of_one_request(tmp_path: Path) -> None:
    book = JobBook(tmp_path)
    book.create("none", ["/a.mp4"])
    first = book.create("one", ["/a.mp4"], key="mine", request="a")
    assert book.keyed("mine", "a") == first
    assert book.keyed("other", "a") is None
    assert book.keyed("", "") is None
    with pytest.raises(RefusedError, match="'mine' was sent with another request; use a new one"):
        book.keyed("mine", "b")


def test_a_job_that_cannot_be_written_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = JobBook(tmp_path)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vidskim.serve.jobs.writing", full)
    with pytest.raises(OSError, match="No space left"):
        book.create("one", ["/a.mp4"])
    assert book.list() == []


def test_old_ended_jobs_are_forgotten(tmp_path: Path) -> None:
    book = JobBook(tmp_path)
    for _ in range(KEPT + 3):
        book.put(book.create("one", ["/a.mp4"]).ended("done"))
    book.create("last", ["/a.mp4"])
    assert len(book.list()) == KEPT + 1
    assert len(list(tmp_path.glob("*.json"))) == KEPT + 1


def test_files_that_are_no_jobs_are_left_alone(tmp_path: Path) -> None:
    for name, text in (
        ("a", "{"),
        ("b", "[]"),
        ("c", json.dumps({"format": 99})),
        ("d", json.dumps({"format": 1})),
    ):
        (tmp_path / f"{name}.json").write_text(text)
    book = JobBook(tmp_path)
    assert book.list() == []
    assert len(list(tmp_path.glob("*.json"))) == 4


def test_no_such_job(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no job with the id 'x'"):
        JobBook(tmp_path).get("x")
