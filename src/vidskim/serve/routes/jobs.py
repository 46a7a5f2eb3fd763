"""Indexing jobs: make, watch, cancel, retry."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from vidskim.errors import SettingsError
from vidskim.pipeline.sources import list_videos
from vidskim.serve.engine import Engine
from vidskim.serve.jobs import Job
from vidskim.serve.library_schemas import FailureView, JobList, JobRequest, JobView
from vidskim.serve.refusal import RefusedError, responses
from vidskim.serve.services import Parts

router = APIRouter(tags=["jobs"])
Key = Annotated[str, Header(max_length=200)]


@router.post("/v1/jobs", status_code=202, responses=responses(404, 409, 410))
async def make_job(asked: JobRequest, parts: Parts, idempotency_key: Key = "") -> JobView:
    """Index a folder, or stored videos again. With an Idempotency-Key, asking the same twice makes one job."""
    request = hashlib.sha256(asked.model_dump_json().encode()).hexdigest()
    if (known := parts.runner.book.keyed(idempotency_key, request)) is not None:
        return view_job(known)
    about, paths = await anyio.to_thread.run_sync(_named, asked, parts.engine)
    job = await parts.runner.submit(about, paths, reindex=asked.reindex, key=idempotency_key, request=request)
    return view_job(job)


@router.get("/v1/jobs", responses=responses())
async def list_jobs(parts: Parts) -> JobList:
    """All jobs that are remembered."""
    return JobList(jobs=[view_job(job) for job in parts.runner.book.list()])


@router.get("/v1/jobs/{job_id}", responses=responses(404))
async def show_job(job_id: str, parts: Parts) -> JobView:
    """One job."""
    return view_job(parts.runner.book.get(job_id))


@router.post("/v1/jobs/{job_id}/cancel", responses=responses(404, 409))
async def cancel_job(job_id: str, parts: Parts) -> JobView:
    """End a job; videos that it has committed stay in the store."""
    return view_job(await parts.runner.cancel(job_id))


@router.post("/v1/jobs/{job_id}/retry", status_code=202, responses=responses(404, 409))
async def retry_job(job_id: str, parts: Parts) -> JobView:
    """Start a failed, cancelled or interrupted job again; what is in the store already is skipped."""
    return view_job(await parts.runner.retry(job_id))


@router.get(
    "/v1/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **responses(404)},
)
async def watch_job(job_id: str, parts: Parts) -> StreamingResponse:
    """Server-sent events, each with the whole job, until it has ended."""
    parts.runner.book.get(job_id)

    async def events() -> AsyncIterator[str]:
        async for job in parts.runner.watch(job_id):
            yield f"event: job\ndata: {view_job(job).model_dump_json()}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def view_job(job: Job) -> JobView:
    """A job as it is shown: names instead of paths."""
    return JobView(
        job_id=job.id,
        about=job.about,
        state=job.state,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        attempt=job.attempt,
        listed=job.listed,
        done=job.done,
        failed=job.failed,
        skipped=job.skipped,
        frames=job.frames,
        current=None if job.current is None else job.current[0],
        current_time=None if job.current is None else job.current[1],
        failures=[FailureView(**failure) for failure in job.failures],
        message=job.message,
        events_url=f"/v1/jobs/{job.id}/events",
    )


def _named(asked: JobRequest, engine: Engine) -> tuple[str, list[str]]:
    """What a request is about, and the files behind it, each of them checked.

    Raises:
        RefusedError: there are none, or they lie outside the roots.
    """
    entries = engine.catalog.entries()
    if asked.video_ids is not None:
        chosen = [engine.catalog.find(video_id) for video_id in dict.fromkeys(asked.video_ids)]
        for entry in chosen:
            engine.roots.file(entry.video.path)
        about = chosen[0].place if len(chosen) == 1 else f"{len(chosen)} videos"
        return about, [entry.video.path for entry in chosen]
    folder = engine.roots.folder(asked.folder or "")
    try:
        listed = list_videos([folder])
    except SettingsError:
        raise RefusedError("not_found", f"there is no video in {asked.folder!r}") from None
    known = {os.path.realpath(entry.video.path): entry.video.path for entry in entries.values()}
    inside = [path for path in listed if _is_served(engine, path)]
    if not inside:
        raise RefusedError("outside_roots", f"all videos in {asked.folder!r} are links that lead outside")
    left_out = f" ({len(listed) - len(inside)} links that lead outside left out)" if inside != listed else ""
    return f"{asked.folder}{left_out}", [known.get(os.path.realpath(path), str(path)) for path in inside]


def _is_served(engine: Engine, path: Path) -> bool:
    try:
        engine.roots.file(str(path))
    except RefusedError:
        return False
    return True
