"""The stored videos: what is known of them, their pictures and files, where in them a sentence is; uploads."""

import time
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from vidskim.serve.catalog import Entry, Selection, paged
from vidskim.serve.library_schemas import FolderList, UploadAnswer, VideoList, VideoView
from vidskim.serve.ranges import answer_file
from vidskim.serve.refusal import RefusedError, responses
from vidskim.serve.routes.jobs import view_job
from vidskim.serve.routes.search import stream_url, thumbnail_url
from vidskim.serve.services import Parts

router = APIRouter(tags=["videos"])
PICTURES_KEPT = 1024  # thumbnails in memory, some 15 kB each
Offset = Annotated[int, Query(ge=0, le=10**9)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Time = Annotated[float, Query(ge=-1e6, le=1e6, allow_inf_nan=False, description="Seconds.")]
Side = Annotated[Literal[160, 320, 640], BeforeValidator(int), Query(description="Longer side in pixels.")]
Text = Annotated[str | None, Query(max_length=1000)]


@router.get("/v1/videos", responses=responses())
def list_videos(
    parts: Parts, folder: Text = None, name: Text = None, offset: Offset = 0, limit: Limit = 100
) -> VideoList:
    """A page of the stored videos."""
    entries = parts.engine.catalog.select(Selection(folder=folder or None, name=name or None))
    page = paged(entries, offset=offset, limit=limit)
    return VideoList(
        videos=[_view(entry, available=None) for entry in page], total=len(entries), offset=offset
    )


@router.get("/v1/folders", responses=responses())
def list_folders(parts: Parts) -> FolderList:
    """Folders that may be indexed, and folders of stored videos."""
    return FolderList(roots=parts.engine.roots.labels, folders=parts.engine.catalog.folders())


@router.get("/v1/videos/{video_id}", responses=responses(404))
def show_video(video_id: str, parts: Parts) -> VideoView:
    """One stored video."""
    entry = parts.engine.catalog.find(video_id)
    try:
        parts.engine.roots.file(entry.video.path)
    except RefusedError:
        return _view(entry, available=False)
    return _view(entry, available=True)


@router.get(
    "/v1/videos/{video_id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **responses(404, 410, 503)},
)
async def thumbnail(video_id: str, parts: Parts, t: Time = 0.0, side: Side = 320) -> Response:
    """The frame shown at a time, as a JPEG made by the server."""
    path = await anyio.to_thread.run_sync(parts.engine.file, video_id)
    key, kept = (f"{path}\n{path.stat().st_mtime_ns}", round(t, 3), side), parts.pictures
    if key not in kept:
        kept[key] = await parts.on_decoder(parts.decoders.thumbnail, str(path), at_s=t, side=side)
        while len(kept) > PICTURES_KEPT:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return Response(kept[key], media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.get(
    "/v1/videos/{video_id}/stream",
    response_class=Response,
    responses={
        200: {"content": {"video/mp4": {}}},
        206: {"description": "A part", "content": {"video/mp4": {}}},
        **responses(404, 410, 416),
    },
)
@router.head("/v1/videos/{video_id}/stream", include_in_schema=False)
def stream(video_id: str, request: Request, parts: Parts) -> Response:
    """The video's file, or the range of it that a player asks for."""
    return answer_file(request, parts.engine.file(video_id))


@router.post(
    "/v1/videos",
    status_code=201,
    responses=responses(404, 409, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    request: Request, parts: Parts, name: Annotated[str, Query(min_length=1, max_length=500)] = "video"
) -> UploadAnswer:
    """Take a video in: the body is the file's bytes. It is indexed at once; see the job in the answer."""
    parts.runner.check_room()
    stated = request.headers.get("content-length", "")
    begun = time.perf_counter()
    arrived = await parts.uploads.receive(
        request.stream(), name=name, stated=int(stated) if stated.isdecimal() else None
    )
    parts.metrics.uploaded.inc(arrived.size_bytes)
    parts.metrics.seconds.labels("upload").observe(time.perf_counter() - begun)
    try:
        job = await parts.runner.submit(arrived.path.name, [str(arrived.path)])
    except (RefusedError, OSError):  # nothing would ever index it
        arrived.path.unlink(missing_ok=True)
        raise
    return UploadAnswer(
        name=arrived.path.name,
        size_bytes=arrived.size_bytes,
        width=arrived.facts["width"],
        height=arrived.facts["height"],
        duration=arrived.facts["duration_s"],
        codec=arrived.facts["codec"],
        job=view_job(job),
    )


def _view(entry: Entry, *, available: bool | None) -> VideoView:
    video = entry.video
    return VideoView(
        video_id=video.id,
        name=video.name,
        folder=entry.folder,
        duration=video.duration_s,
        frames=video.frames,
        fps=video.fps,
        indexed_at=video.indexed_at,
        available=available,
        thumbnail_url=thumbnail_url(video.id, 0.0),
        stream_url=stream_url(video.id),
        signal_url=f"/v1/videos/{video.id}/signal",
    )
