"""What stands before every route: host, origin, token, size and pace of the body, how many at once, safe headers."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidskim.serve.access import COOKIE, Access
from vidskim.serve.caps import Caps
from vidskim.serve.plain_page import STYLE_SOURCE, login_page
from vidskim.serve.refusal import RefusedError

SESSION = "/v1/session"
UPLOAD = "/v1/videos"  # POST: streamed, and capped by its route
LOGIN_BYTES, LOGIN_S = 2**12, 5.0  # of a body that is read before the token is known
SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self' {STYLE_SOURCE}; img-src 'self' blob: data:; "
        "media-src 'self' blob:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a form of ours would say "Origin: null"
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_logger = logging.getLogger(__name__)


class Guard:
    """ASGI middleware around the whole app: what it refuses, no route sees."""

    def __init__(self, app: ASGIApp, *, access: Access, caps: Caps) -> None:
        self._app, self._access, self._caps = app, access, caps
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there are none
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        self._in_flight += 1
        try:
            self._admit(scope)
            if not _is_upload(scope):
                receive = await self._whole(scope, receive)
            await self._app(scope, receive, answer.send)
        except RefusedError as refused:
            await _refusal(refused, scope)(scope, receive, answer.send)
        except ClientDisconnect:
            pass
        except Exception:
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            if not answer.has_started:
                fault = RefusedError("internal", "a fault of the server; its log says more")
                await fault.response()(scope, receive, answer.send)
        finally:
            self._in_flight -= 1

    def _admit(self, scope: Scope) -> None:
        """Raise RefusedError unless host, origin and token are right, and there is room."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._access.allows_host(host):
            raise RefusedError(
                "wrong_host",
                f"this server does not go by the name {host[:100]!r}; --allow-host NAME lets it answer to one",
            )
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        foreign = origin is not None and not self._access.allows_origin(origin, host=host)
        if foreign or (site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate"):
            raise RefusedError("wrong_origin", "pages of other sites may not use this server")
        if not _is_login(scope) and not self._knows(headers):
            raise RefusedError(
                "unauthorized", "send the server's token: Authorization: Bearer TOKEN; browsers sign in at /"
            )
        if self._in_flight > self._caps.requests:
            raise RefusedError("busy", f"{self._caps.requests} requests are in flight already; try again")

    def _knows(self, headers: Headers) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._access.allows_token(token.strip())
        cookies = cookie_parser(headers.get("cookie", ""))
        return self._access.allows_session(cookies.get(COOKIE, ""))

    async def _whole(self, scope: Scope, receive: Receive) -> Receive:
        """The body, read to its end before a route sees it: one that is too large or too slow is never seen."""
        most, patience_s = self._caps.body_bytes, self._caps.body_s
        if _is_login(scope):
            most, patience_s = LOGIN_BYTES, min(LOGIN_S, patience_s)
        too_large = RefusedError(
            "too_large", f"this request may have {most} bytes; send videos to POST {UPLOAD}"
        )
        stated = Headers(scope=scope).get("content-length", "0")
        if not (stated.isdecimal() and len(stated) < 20 and int(stated) <= most):
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_large
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise RefusedError(
                "too_slow", f"the request took longer than {patience_s:g} s to arrive"
            ) from None
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return replay


def _is_login(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"] == SESSION)


def _is_upload(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"] == UPLOAD)


class _Answer:
    """An answer on its way out, with safe headers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False

    async def send(self, message: Message) -> None:
        """One message."""
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = MutableHeaders(scope=message)
            for name, value in SAFE_HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _refusal(problem: RefusedError, scope: Scope) -> Any:
    """The envelope; a person who is not signed in gets the page to do so."""
    accepts = Headers(scope=scope).get("accept", "")
    if problem.code == "unauthorized" and scope["method"] == "GET" and "text/html" in accepts:
        return HTMLResponse(login_page(), 401, {"WWW-Authenticate": "Bearer"})
    return problem.response({"Connection": "close"} if problem.status in (408, 413) else None)
