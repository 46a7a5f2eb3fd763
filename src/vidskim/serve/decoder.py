"""The process that decodes: tasks in, plain bytes out; started and ended by `decoding.py`. Knows no web framework."""

import io
import json
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from PIL import Image

from vidskim.errors import VideoError
from vidskim.serve.caps import IMAGE_PIXELS
from vidskim.video.cut import cut_video
from vidskim.video.guard import Limits
from vidskim.video.read import frame_times, probe, read_video
from vidskim.video.views import Views, read_rows

MEMORY_BYTES = 8 * 2**30  # address space: libraries map far more than they use
PICTURE_SIDE = 1024  # a picture to search with is brought down to this before it comes back
QUALITY = 85


class _PictureError(Exception):
    """A picture that cannot be used: code and message."""


def serve_tasks(line: Connection) -> None:
    """The process: task after task, until the other side is gone."""
    _limit_memory()
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            request = json.loads(line.recv_bytes())
            head, payload = run_task(request.pop("task"), request, line.recv_bytes())
            line.send_bytes(json.dumps(head).encode())
            line.send_bytes(payload)


def run_task(task: str, arguments: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """One task; what goes wrong with the file is part of the answer."""
    try:
        if task == "thumbnail":
            return {}, _thumbnail(**arguments)
        if task == "inspect":
            return _inspect(**arguments), b""
        if task == "views":
            return _views(**arguments)
        if task == "cut":
            return {"suffix": cut_video(**arguments)}, b""
        return _picture(data)
    except VideoError as error:
        code = "too_large" if error.kind == "too_large" else "unreadable_video"
        return {"problem": code, "message": str(error).removeprefix(f"{error.path}: ")}, b""
    except MemoryError:
        return {"problem": "too_large", "message": "decoding it takes too much memory"}, b""
    except _PictureError as error:
        code, message = error.args
        return {"problem": code, "message": message}, b""
    except Exception as error:
        return {"problem": "unreadable_video", "message": f"{type(error).__name__}: {error}"}, b""


def _thumbnail(*, path: str, at_s: float, side: int) -> bytes:
    clip = read_video(path, times_s=[at_s], motion=False, threads=1)
    picture = Image.fromarray(clip.frames[0])
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()


def _inspect(*, path: str, pixels: int, duration_s: float) -> dict[str, Any]:
    limits = Limits(pixels=pixels, duration_s=duration_s)
    info = probe(path, limits=limits)
    times_s = frame_times(path, limits=limits)  # goes through all packets: headers lie
    read_video(path, times_s=times_s[:1].tolist(), motion=False, limits=limits, threads=1)
    return {
        "width": info.width,
        "height": info.height,
        "duration_s": info.duration_s,
        "codec": info.codec,
        "frames": len(times_s),
    }


def _views(
    *, path: str, views: dict[str, Any], length: int, short_side: int | None
) -> tuple[dict[str, Any], bytes]:
    clip, rows = read_rows(path, Views(**views), length=length, short_side=short_side)
    head = {"shape": clip.frames.shape, "times_s": clip.times_s.tolist(), "rows": rows.tolist()}
    return head, clip.frames.tobytes()


def _picture(data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP", "GIF", "BMP")) as picture:
            if picture.width * picture.height > IMAGE_PIXELS:
                raise _PictureError(
                    "too_large",
                    f"the picture has {picture.width}x{picture.height} pixels; {IMAGE_PIXELS} are allowed",
                )
            picture.draft("RGB", (PICTURE_SIDE, PICTURE_SIDE))
            frame = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _PictureError(
            "unreadable_image", f"not a JPEG, PNG, WebP, GIF or BMP picture ({error})"
        ) from error
    frame.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BICUBIC)
    pixels = np.asarray(frame)
    return {"shape": pixels.shape}, pixels.tobytes()


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
