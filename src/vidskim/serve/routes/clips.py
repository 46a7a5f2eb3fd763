"""GET /v1/videos/{id}/clip: a part of a video to keep."""

import uuid
from typing import Annotated
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from vidskim.serve.ranges import answer_file
from vidskim.serve.refusal import RefusedError, responses
from vidskim.serve.services import Parts
from vidskim.serve.uploads import harmless

router = APIRouter(tags=["videos"])
CLIP_S = 600.0  # longest
CLIP_BYTES = 2**29
Time = Annotated[float, Query(ge=0, le=1e6, allow_inf_nan=False, description="Seconds.")]


@router.get(
    "/v1/videos/{video_id}/clip",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}}}, **responses(404, 410, 507)},
)
async def clip(video_id: str, start: Time, end: Time, request: Request, parts: Parts) -> Response:
    """A part of a video as a file, copied without encoding: it begins at the last key frame before `start`."""
    if not 0 < end - start <= CLIP_S:
        raise RefusedError(
            "invalid_request", f"a clip takes up to {CLIP_S:g} s, received {start:g} to {end:g}"
        )
    path = await anyio.to_thread.run_sync(parts.engine.file, video_id)
    name = await anyio.to_thread.run_sync(lambda: parts.engine.catalog.find(video_id).video.name)
    parts.uploads.check_room(CLIP_BYTES)
    part = parts.uploads.folder / f".{uuid.uuid4().hex}.part"  # removed at the next start if a kill leaves it
    try:
        suffix = await parts.on_decoder(
            parts.decoders.cut, str(path), out=str(part), start_s=start, end_s=end, most_bytes=CLIP_BYTES
        )
        answer = await anyio.to_thread.run_sync(answer_file, request, part)
    finally:
        part.unlink(missing_ok=True)  # what has been opened can still be read
    file_name = f"{harmless(name)}-{start:.1f}-{end:.1f}{suffix}"
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file_name)}"
    return answer
