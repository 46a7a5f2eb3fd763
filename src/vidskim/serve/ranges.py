"""One file, or a part of it, as an HTTP answer: byte ranges as RFC 9110 has them."""

import os
import re
import stat
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vidskim.serve.media import HEAD_BYTES, recognise
from vidskim.serve.refusal import RefusedError

CHUNK_BYTES = 2**18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def open_regular(path: Path) -> BinaryIO:
    """Open a file whose path has been resolved and checked; a link put there meanwhile is not followed.

    Raises:
        RefusedError: it is gone, or not a regular file any more.
    """
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        file = os.fdopen(os.open(path, flags), "rb")
    except OSError:
        raise RefusedError("file_gone", "the video's file cannot be opened any more") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise RefusedError("file_gone", "the video's file is no regular file any more")
    return file


def find_range(header: str | None, size: int) -> tuple[int, int] | None:
    """What a Range header asks for.

    Args:
        header: such as "bytes=0-99"; None, several ranges and what cannot be read ask for everything.
        size: of the file, bytes.

    Returns:
        Half-open range of bytes, or None for everything.

    Raises:
        RefusedError: nothing of the file lies in the range.
    """
    match = _RANGE.fullmatch((header or "").strip().lower().replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise RefusedError("range_not_satisfiable", f"the file has {size} bytes")
    return start, stop


def answer_file(request: Request, path: Path) -> Response:
    """The file, or the part of it that the request asks for. Blocks for the opening only.

    Args:
        request: GET or HEAD.
        path: resolved and checked.
    """
    file = open_regular(path)
    state = os.fstat(file.fileno())
    etag = f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": formatdate(state.st_mtime, usegmt=True),
        "Cache-Control": "private, no-cache",
        "Content-Disposition": "inline",
    }
    wanted = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        wanted = None
    try:
        part = find_range(wanted, state.st_size)
    except RefusedError as problem:
        file.close()
        return problem.response({"Content-Range": f"bytes */{state.st_size}"})
    start, stop = part or (0, state.st_size)
    headers["Content-Length"] = str(stop - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{state.st_size}"
    kind = recognise(file.read(HEAD_BYTES))[1]
    status = 200 if part is None else 206
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(_chunks(file, start, stop), status, headers, kind)


async def _chunks(file: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    try:
        file.seek(start)
        while start < stop:
            chunk = await anyio.to_thread.run_sync(file.read, min(CHUNK_BYTES, stop - start))
            if not chunk:  # the file was cut meanwhile
                return
            start += len(chunk)
            yield chunk
    finally:
        file.close()
