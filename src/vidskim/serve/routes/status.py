"""How the server is: health, readiness, metrics; and signing in."""

import json
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from vidskim.serve.access import COOKIE
from vidskim.serve.library_schemas import Health, Readiness
from vidskim.serve.metrics import CONTENT_TYPE
from vidskim.serve.plain_page import login_page
from vidskim.serve.refusal import ErrorBody, RefusedError, responses
from vidskim.serve.schemas import IndexView
from vidskim.serve.services import Parts

router = APIRouter(tags=["server"])
_FORM = "application/x-www-form-urlencoded"
_TOKEN_SCHEMA = {
    "type": "object",
    "properties": {"token": {"type": "string", "maxLength": 1000}},
    "required": ["token"],
    "additionalProperties": False,
}


@router.get("/health", responses=responses())
async def health() -> Health:
    """Whether the process answers."""
    return Health()


@router.get("/ready", responses=responses(503))
async def ready(parts: Parts) -> Readiness:
    """Whether the model has passed its test and the store can be read."""
    if not parts.is_ready:
        raise RefusedError("not_ready", "the server is starting or stopping")
    described = await anyio.to_thread.run_sync(parts.engine.describe)
    thresholds = {kind: parts.engine.threshold(kind) for kind in ("text", "picture")}
    return Readiness(
        index=IndexView(**described), thresholds=thresholds, needs_token=parts.access.token is not None
    )


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **responses()}
)
def metrics(parts: Parts) -> Response:
    """Counts and times, for Prometheus."""
    count = parts.engine.store.count()
    parts.metrics.videos.set(count.videos)
    parts.metrics.frames.set(count.frames)
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE)


@router.post(
    "/v1/session",
    status_code=204,
    response_class=Response,
    responses={
        303: {"description": "Signed in by a form; on to the page"},
        **responses(),
        401: {"model": ErrorBody, "content": {"text/html": {}}},  # a form gets itself back
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _TOKEN_SCHEMA}, _FORM: {"schema": _TOKEN_SCHEMA}},
        }
    },
)
async def sign_in(request: Request, parts: Parts) -> Response:
    """The token for a cookie that scripts cannot read; a browser then gets pictures and videos with it."""
    is_form = request.headers.get("content-type", "").startswith(_FORM)
    if not parts.access.allows_token(_token(await request.body(), is_form=is_form)):
        problem = "this is not the server's token"
        if is_form:
            return HTMLResponse(login_page(f"Not signed in: {problem}."), 401, {"WWW-Authenticate": "Bearer"})
        raise RefusedError("unauthorized", problem)
    answer: Response = RedirectResponse("/", 303) if is_form else Response(status_code=204)
    answer.set_cookie(
        COOKIE, parts.access.session, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


@router.delete("/v1/session", status_code=204, response_class=Response, responses=responses())
async def sign_out() -> Response:
    """Forget the cookie."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _token(body: bytes, *, is_form: bool) -> str:
    """The token in a request's body.

    Raises:
        RefusedError: there is none.
    """
    try:
        record = parse_qs(body.decode(), keep_blank_values=True) if is_form else json.loads(body)
        names = set(record)
        token = record["token"][0] if is_form else record["token"]
    except (ValueError, KeyError, TypeError, RecursionError):
        names, token = set(), None
    if names != {"token"} or not isinstance(token, str):
        raise RefusedError("invalid_request", 'expected {"token": "..."}, as JSON or as a form')
    return token
