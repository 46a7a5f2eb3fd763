"""Jobs: what is to be indexed, how far it is, and a file for each, so that a kill forgets none.

A job that was queued or running when the server ended is "interrupted" after the next start; a retry goes on after
what is in the store already.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from vidskim.disk import writing
from vidskim.serve.refusal import RefusedError

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
ENDED = frozenset({"done", "failed", "cancelled", "interrupted"})
RETRIABLE = frozenset({"failed", "cancelled", "interrupted"})
KEPT = 200  # ended jobs that are remembered
FAILURES = 100  # that are listed for one job
_FORMAT = 1


@dataclass(frozen=True)
class Job:
    """One indexing of some videos.

    Args:
        id: twelve hex digits.
        about: what it is about, for people.
        paths: files to index, absolute.
        reindex: encode again what is in the store.
        state: how it stands.
        created_at: UTC, ISO 8601; as the next two.
        started_at: of the last attempt, or None.
        ended_at: of the last attempt, or None.
        attempt: how often it was started.
        listed: videos to settle; done + failed + skipped of them are settled.
        done: encoded and committed.
        failed: that could not be read.
        skipped: in the store already.
        frames: encoded.
        current: the video being read, and up to where in seconds: (name, seconds).
        failures: {"video", "kind", "message"} of each.
        message: why the whole job failed; empty if it did not.
        key: the asker's own name for the request, so that asking twice makes one job.
        request: digest of that request, so that another one under its key is noticed.
    """

    id: str
    about: str
    paths: tuple[str, ...]
    reindex: bool = False
    state: State = "queued"
    created_at: str = ""
    started_at: str | None = None
    ended_at: str | None = None
    attempt: int = 0
    listed: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    frames: int = 0
    current: tuple[str, float] | None = None
    failures: tuple[dict[str, str], ...] = field(default=())
    message: str = ""
    key: str = ""
    request: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more without a retry."""
        return self.state in ENDED

    def begun(self) -> "Job":
        """A new attempt: counts from zero."""
        fresh: dict[str, Any] = {
            "listed": len(self.paths),
            "done": 0,
            "failed": 0,
            "skipped": 0,
            "frames": 0,
            "failures": (),
        }
        return replace(
            self,
            state="running",
            started_at=now(),
            ended_at=None,
            attempt=self.attempt + 1,
            message="",
            **fresh,
        )

    def ended(self, state: State, message: str = "") -> "Job":
        """The attempt is over."""
        return replace(self, state=state, ended_at=now(), current=None, message=message)


class JobBook:
    """Every job, in memory and on disk. Used from the event loop alone; files are small."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; what was under way when the server ended is marked as interrupted.

        Args:
            folder: made if missing.
        """
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._jobs = {job.id: job for job in map(_read, sorted(folder.glob("*.json"))) if job is not None}
        for job in list(self._jobs.values()):
            if not job.has_ended:
                self.put(job.ended("interrupted", "the server ended while the job was under way; retry it"))

    def list(self) -> list[Job]:
        """Newest first."""
        return sorted(self._jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            RefusedError: there is none of that id.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise RefusedError("no_job", f"no job with the id {job_id[:100]!r}; GET /v1/jobs lists them")
        return job

    def keyed(self, key: str, request: str) -> Job | None:
        """The job that was made for a request under its key, if there is one; the empty key names none.

        Raises:
            RefusedError: the key was used for another request.
        """
        job = next((job for job in self._jobs.values() if key and job.key == key), None)
        if job is not None and job.request != request:
            raise RefusedError(
                "conflict", f"the Idempotency-Key {key[:100]!r} was sent with another request; use a new one"
            )
        return job

    def create(
        self, about: str, paths: Sequence[str], *, reindex: bool = False, key: str = "", request: str = ""
    ) -> Job:
        """A new job, queued and on disk; fields as in `Job`."""
        job = Job(
            id=uuid.uuid4().hex[:12],
            about=about,
            paths=tuple(paths),
            reindex=reindex,
            created_at=now(),
            listed=len(paths),
            key=key,
            request=request,
        )
        self.put(job)
        self._forget()
        return job

    def put(self, job: Job, *, durable: bool = True) -> None:
        """Keep a job as it is now; `durable` also on disk."""
        if durable:
            with writing(self._folder / f"{job.id}.json") as file:
                file.write(json.dumps({"format": _FORMAT, **asdict(job)}).encode())
        self._jobs[job.id] = job

    def _forget(self) -> None:
        ended = [job for job in self.list() if job.has_ended]
        for job in ended[KEPT:]:
            del self._jobs[job.id]
            (self._folder / f"{job.id}.json").unlink(missing_ok=True)


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read(path: Path) -> Job | None:
    """A job's file; one that cannot be read is left alone."""
    try:
        record = json.loads(path.read_bytes())
        if record.pop("format", None) != _FORMAT:
            return None
        current = record.pop("current")
        return Job(
            **{
                **record,
                "paths": tuple(record["paths"]),
                "failures": tuple(record["failures"]),
                "current": None if current is None else (str(current[0]), float(current[1])),
            }
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
