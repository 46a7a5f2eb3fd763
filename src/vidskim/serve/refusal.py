"""What a request can be refused for: one envelope, one table of stable codes.

{"error": {"code": "busy", "message": "..."}}
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from vidskim.errors import SettingsError, VideoError

CODES = {
    "unauthorized": 401,  # no token, or a wrong one
    "wrong_origin": 403,  # asked for by a page of another site
    "outside_roots": 403,  # the file lies outside the folders that may be served
    "not_found": 404,
    "no_video": 404,
    "no_job": 404,
    "no_model": 404,
    "method_not_allowed": 405,
    "too_slow": 408,  # the request's body came too slowly
    "conflict": 409,  # the state of things does not allow it now
    "no_text": 409,  # the model has no text tower
    "no_levels": 409,  # the store has no vectors of segments and whole videos
    "no_classifier": 409,
    "file_gone": 410,  # the video is in the store, its file is not where it was
    "too_large": 413,
    "range_not_satisfiable": 416,
    "wrong_host": 421,
    "invalid_request": 422,
    "unreadable_video": 422,
    "unreadable_image": 422,
    "busy": 429,  # try again after Retry-After seconds
    "internal": 500,
    "not_ready": 503,
    "no_room": 507,
}
RETRY_S = 1


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The envelope of every refusal."""

    error: ErrorDetail


class RefusedError(Exception):
    """A request that cannot be answered.

    Args:
        code: of `CODES`.
        message: for people: what was wrong, what is allowed, what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, CODES[code]

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The envelope."""
        extra = {"Retry-After": str(RETRY_S)} if self.status in (429, 503) else {}
        if self.status == 401:
            extra["WWW-Authenticate"] = "Bearer"
        body = {"error": {"code": self.code, "message": _text(str(self))}}
        return JSONResponse(body, self.status, {**extra, **(headers or {})})


def install_handlers(app: FastAPI) -> None:
    """Every error of an app in the envelope."""
    app.add_exception_handler(RefusedError, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(SettingsError, _answer_settings)
    app.add_exception_handler(VideoError, _answer_video)


async def _answer_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)
    return error.response()


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    parts = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]]
    return RefusedError("invalid_request", "; ".join(parts)).response()


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = dict(error.headers or {})
        return RefusedError(
            "method_not_allowed", f"{request.method} is not for {request.url.path}; /docs lists what is"
        ).response(allowed)
    if error.status_code == 404:
        return RefusedError(
            "not_found", f"there is nothing at {request.url.path}; /docs lists what is"
        ).response()
    return RefusedError("invalid_request", str(error.detail)).response()


async def _answer_settings(request: Request, error: Exception) -> JSONResponse:
    return RefusedError("invalid_request", str(error)).response()


async def _answer_video(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VideoError)
    return RefusedError("unreadable_video", str(error).removeprefix(f"{error.path}: ")).response()


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's description: which refusals it may give, beside those that every route may."""
    return {status: {"model": ErrorBody} for status in sorted({*statuses, 401, 403, 408, 413, 421, 422, 429})}


def _text(message: str) -> str:
    """Lone surrogates cannot be written as UTF-8."""
    return message.encode("utf-8", "backslashreplace").decode()
