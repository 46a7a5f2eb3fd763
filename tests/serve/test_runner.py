"""The queue of jobs: its length, attempts that overlap, and what is told of their ends."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vidskim.serve.jobs import Job, JobBook
from vidskim.serve.refusal import RefusedError
from vidskim.serve.runner import JobRunner

STUB = (sys.executable, str(Path(__file__).parent / "stub_indexing.py"))
HANG, FINE = ["/hang.mp4"], ["/fine.mp4"]


def make(folder: Path, most: int = 2) -> JobRunner:
    return JobRunner(JobBook(folder), order={}, most=most, command=STUB)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def test_a_retry_is_not_ended_by_the_end_of_the_attempt_before(tmp_path: Path) -> None:
    async def work() -> list[Job]:
        runner = make(tmp_path)
        runner.start()
        job = await runner.submit("it", HANG)
        await until(lambda: runner.book.get(job.id).current is not None)
        cancelling = asyncio.create_task(runner.cancel(job.id))
        await until(lambda: runner.book.get(job.id).state == "cancelled")
        again = await runner.retry(job.id)  # its process is on its way out
        await cancelling
        await until(lambda: runner.book.get(job.id).current is not None)
        second = runner.book.get(job.id)
        await runner.cancel(job.id)
        await runner.close()
        return [again, second, runner.book.get(job.id)]

    again, second, last = asyncio.run(work())
    assert (again.state, again.attempt) == ("queued", 1)
    assert (second.state, second.attempt, second.message) == ("running", 2, "")
    assert (last.state, last.attempt) == ("cancelled", 2)


def test_cancelled_jobs_take_no_place_in_the_queue(tmp_path: Path) -> None:
    async def work() -> None:
        runner = make(tmp_path)
        runner.start()
        first = await runner.submit("first", HANG)
        await until(lambda: runner.book.get(first.id).state == "running")
        waiting = [await runner.submit("waiting", FINE) for _ in range(2)]
        with pytest.raises(RefusedError, match="2 jobs are waiting already"):
            await runner.submit("too many", FINE)
        for job in waiting:
            await runner.cancel(job.id)
        last = [await runner.retry(waiting[1].id), await runner.submit("last", FINE)]
        with pytest.raises(RefusedError, match="2 jobs are waiting already"):
            await runner.retry(waiting[0].id)
        await runner.cancel(first.id)
        await until(lambda: all(runner.book.get(job.id).state == "done" for job in last))
        assert runner.book.get(waiting[0].id).attempt == 0
        await runner.close()

    asyncio.run(work())


def test_a_key_is_known_while_the_queue_is_full(tmp_path: Path) -> None:
    async def work() -> None:
        runner = make(tmp_path, most=1)
        job = await runner.submit("it", FINE, key="mine", request="a")
        assert await runner.submit("it", FINE, key="mine", request="a") == job
        with pytest.raises(RefusedError, match="another request"):
            await runner.submit("it", FINE, key="mine", request="b")

    asyncio.run(work())


def test_each_end_is_told_once(tmp_path: Path) -> None:
    async def work() -> list[str]:
        told: list[str] = []
        runner = make(tmp_path, most=3)
        runner.on_end = lambda job: told.append(job.state)
        runner.start()
        jobs = [await runner.submit(path, [path]) for path in ("/fine.mp4", "/crash.mp4", "/hang.mp4")]
        await until(lambda: runner.book.get(jobs[2].id).state == "running")
        await runner.cancel(jobs[2].id)
        await runner.close()
        return told

    assert asyncio.run(work()) == ["done", "failed", "cancelled"]
