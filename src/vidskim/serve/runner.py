"""Runs jobs one after the other, each in a process of its own, and tells whoever watches how they go."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from vidskim.serve.jobs import FAILURES, RETRIABLE, Job, JobBook
from vidskim.serve.refusal import RefusedError

COMMAND = (sys.executable, "-m", "vidskim.serve.indexing")
LINE_BYTES = 2**24  # a report lists every failure
NEWS_S = 0.25  # least seconds between two events of one job
AGAIN_S = 15.0  # most seconds: proxies end connections on which nothing comes
_logger = logging.getLogger(__name__)


class JobRunner:
    """Use within one event loop; `start` and `close` it there."""

    def __init__(
        self,
        book: JobBook,
        *,
        order: dict[str, Any],
        most: int,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            book: of the jobs.
            order: what every order to the process holds: store, model, device, caps.
            most: jobs that may wait.
            command: the process; see `indexing.py`.
        """
        self.book = book
        self.on_end: Callable[[Job], None] = lambda job: None  # told when a job has ended
        self._order, self._most, self._command = order, most, tuple(command)
        self._waiting: list[str] = []  # ids of the jobs that are queued, first come first
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._running = ""
        self._closing = False

    def start(self) -> None:
        """Begin to take jobs."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """End the job under way; it and those that wait can be retried after the next start."""
        await self.stop_watching()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._end_process()
        for job in self.book.list():
            if not job.has_ended:
                self.book.put(job.ended("interrupted", "the server was stopped; retry the job"))

    async def stop_watching(self) -> None:
        """Let every watcher go, so that their connections close."""
        self._closing = True
        async with self._changed:
            self._changed.notify_all()

    def check_room(self) -> None:
        """Raise RefusedError if no further job may wait."""
        if len(self._waiting) >= self._most:
            raise RefusedError("busy", f"{self._most} jobs are waiting already; try again when some are done")

    async def submit(
        self, about: str, paths: Sequence[str], *, reindex: bool = False, key: str = "", request: str = ""
    ) -> Job:
        """A new job at the end of the queue; that of the same request under the same key, if there is one.

        Raises:
            RefusedError: too many wait, or the key was used for another request.
        """
        if (known := self.book.keyed(key, request)) is not None:
            return known
        self.check_room()
        job = self.book.create(about, paths, reindex=reindex, key=key, request=request)
        self._waiting.append(job.id)
        await self._tell()
        return job

    async def retry(self, job_id: str) -> Job:
        """Again, at the end of the queue.

        Raises:
            RefusedError: no such job, it has not failed, or too many wait.
        """
        job = self.book.get(job_id)
        if job.state not in RETRIABLE:
            raise RefusedError(
                "conflict", f"the job is {job.state}; only one that is not done can be retried"
            )
        self.check_room()
        job = replace(job, state="queued", ended_at=None, message="")
        self._waiting.append(job.id)
        await self._put(job)
        return job

    async def cancel(self, job_id: str) -> Job:
        """End a job; what it has committed stays.

        Raises:
            RefusedError: no such job, or it has ended.
        """
        job = self.book.get(job_id)
        if job.has_ended:
            raise RefusedError("conflict", f"the job is {job.state} already")
        if job_id in self._waiting:
            self._waiting.remove(job_id)
        await self._put(job.ended("cancelled"))
        if job_id == self._running:
            await self._end_process()
        return self.book.get(job_id)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """A job now, and after each change (and now and then), until it has ended or the server stops.

        Raises:
            RefusedError: no such job.
        """
        while True:
            job = self.book.get(job_id)
            yield job
            if job.has_ended or self._closing:
                return
            await asyncio.sleep(NEWS_S)
            async with self._changed:
                if self.book.get(job_id) == job and not self._closing:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), AGAIN_S)

    async def _work(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting)
            job = self.book.get(self._waiting.pop(0))
            self._running = job.id
            try:
                await self._run(job)
            except Exception as error:
                _logger.exception("job %s", job.id)
                await self._fail(job.id, f"{type(error).__name__}: {error}")
            finally:
                self._running = ""

    async def _run(self, job: Job) -> None:
        await self._put(job.begun())
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, limit=LINE_BYTES
        )
        process = self._process
        if self.book.get(job.id).state != "running":  # cancelled while it started
            await self._end_process()
        assert process.stdin is not None
        assert process.stdout is not None
        order = {**self._order, "paths": job.paths, "reindex": job.reindex}
        with suppress(ConnectionError):  # it is told below why the process is gone
            process.stdin.write(json.dumps(order).encode() + b"\n")
            await process.stdin.drain()
        async for line in process.stdout:
            await self._hear(job.id, json.loads(line))
        code = await process.wait()
        await self._fail(job.id, f"the indexing process ended with code {code}; the server's log may say why")

    async def _hear(self, job_id: str, news: dict[str, Any]) -> None:
        """What the process tells; nothing counts after the end, even if a retry waits for the end of the process."""
        job = self.book.get(job_id)
        if job.state != "running":
            return
        if "reading" in news:
            await self._put(replace(job, current=tuple(news["reading"])), durable=False)
        elif "progress" in news:
            counts = {
                name: news["progress"][name] for name in ("listed", "done", "failed", "skipped", "frames")
            }
            await self._put(replace(job, current=None, **counts), durable=False)
        elif "error" in news:
            await self._put(job.ended("failed", str(news["error"])))
        elif "report" in news:
            report = news["report"]
            failures = tuple(
                {"video": PurePath(each["path"]).name, "kind": each["kind"], "message": each["message"]}
                for each in report["failures"][:FAILURES]
            )
            counts = {name: report[name] for name in ("listed", "done", "failed", "skipped", "frames")}
            await self._put(replace(job, failures=failures, **counts).ended("done"))

    async def _fail(self, job_id: str, message: str) -> None:
        """The attempt under way is over, unless it ended in another way."""
        job = self.book.get(job_id)
        if job.state == "running":
            await self._put(job.ended("failed", message))

    async def _put(self, job: Job, *, durable: bool = True) -> None:
        self.book.put(job, durable=durable)
        if job.has_ended:
            self.on_end(job)
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.kill()  # the store holds a video wholly or not at all
        await process.wait()
