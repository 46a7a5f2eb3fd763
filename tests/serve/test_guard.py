"""What stands before the routes: each attack tried."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from vidskim.serve.access import COOKIE, Access
from vidskim.serve.caps import Caps
from vidskim.serve.guard import Guard

Library = Any  # see conftest
TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "http://videos.example.org"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def public(library: Library) -> Iterator[TestClient]:
    """A client of a server with a token, without the token."""
    access = Access.of("0.0.0.0", token=TOKEN, names=["videos.example.org"])
    with TestClient(library.app(access=access), base_url=PUBLIC, follow_redirects=False) as client:
        yield client


def routes(library: Library, client: TestClient) -> list[tuple[str, str]]:
    """Every route of the app, from its own document, with real ids."""
    video = library.videos["red"].id
    document = client.app.openapi()  # type: ignore[attr-defined]
    found = [
        (method.upper(), path.replace("{video_id}", video).replace("{job_id}", "0" * 12))
        for path, methods in document["paths"].items()
        for method in methods
    ]
    return [
        *found,
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
        ("HEAD", f"/v1/videos/{video}/stream"),
    ]


def test_no_route_answers_without_the_token(library: Library, public: TestClient) -> None:
    asked = [route for route in routes(library, public) if route != ("POST", "/v1/session")]
    assert len(asked) >= 20
    for method, path in asked:
        answer = public.request(method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_media_answer_with_the_token_only(library: Library, public: TestClient) -> None:
    for path in (f"/v1/videos/{library.videos['red'].id}/{kind}" for kind in ("stream", "thumbnail")):
        for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "", "é" * 32):
            answer = public.get(path, headers={"authorization": f"Bearer {wrong}".encode()})
            assert code(answer) == (401, "unauthorized")
        assert public.get(path, headers={"authorization": f"Basic {TOKEN}"}).status_code == 401
        assert public.get(f"{path}?token={TOKEN}").status_code == 401
        assert public.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_signing_in_gives_a_cookie_that_scripts_cannot_read(library: Library, public: TestClient) -> None:
    assert code(public.post("/v1/session", json={"token": "x" * 32})) == (401, "unauthorized")
    assert code(public.post("/v1/session", json={"token": TOKEN, "more": 1})) == (422, "invalid_request")
    assert code(public.post("/v1/session", content=b"\xff[")) == (422, "invalid_request")
    assert code(public.post("/v1/session", content=rb'{"token": "\ud800"}')) == (401, "unauthorized")
    answer = public.post("/v1/session", json={"token": TOKEN})
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 204
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert public.get(f"/v1/videos/{library.videos['red'].id}/stream").status_code == 200
    assert public.delete("/v1/session").status_code == 204
    assert public.get("/v1/videos").status_code == 401


def test_a_form_signs_in_too(public: TestClient) -> None:
    page = public.get("/", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert '<form method="post" action="/v1/session">' in page.text
    again = public.post("/v1/session", data={"token": "x" * 32})
    assert again.status_code == 401
    assert "this is not the server&#x27;s token" in again.text
    answer = public.post("/v1/session", data={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert public.get("/v1/videos").status_code == 200


def test_a_made_up_cookie(public: TestClient) -> None:
    for value in ("", "0" * 64, TOKEN):
        assert public.get("/v1/videos", headers={"cookie": f"{COOKIE}={value}"}).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[", "evil.example:8000"]
)
def test_another_name_is_refused(client: TestClient, host: str) -> None:
    """A page of evil.example that rebinds its name to 127.0.0.1 still says its own name."""
    assert code(client.get("/v1/videos", headers={"host": host})) == (421, "wrong_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:8000"])
def test_names_of_this_machine(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host}).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "origin": "http://evil.example"},
    ],
)
def test_pages_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/videos?name=x.mp4", content=b"x", headers=headers)
    assert code(answer) == (403, "wrong_origin")


def test_the_own_page_is_not_refused_and_there_is_no_cors(client: TestClient) -> None:
    own = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    answer = client.post("/v1/search", json={"query": "red"}, headers=own)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = client.options("/v1/search", headers={"origin": "http://evil.example"})
    assert code(preflight) == (403, "wrong_origin")


def test_every_answer_carries_safe_headers(client: TestClient, library: Library) -> None:
    for path in ("/health", "/docs", "/nothing", f"/v1/videos/{library.videos['red'].id}/stream"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"


def test_a_body_that_is_too_large(library: Library) -> None:
    most = Caps().body_bytes
    with TestClient(library.app(), base_url="http://localhost") as client:
        assert code(client.post("/v1/search", content=b" " * (most + 1))) == (413, "too_large")

        def endless() -> Iterator[bytes]:
            for _ in range(most // 2**16 + 2):
                yield b" " * 2**16

        assert code(client.post("/v1/search", content=endless())) == (413, "too_large")


def test_a_body_before_the_token_is_known_is_small(public: TestClient) -> None:
    assert code(public.post("/v1/session", content=b" " * 4097)) == (413, "too_large")
    assert code(public.post("/v1/session", content=iter([b" " * 4000, b" " * 97]))) == (413, "too_large")
    padded = b" " * 4000 + b'{"token": "%s"}' % TOKEN.encode()
    assert public.post("/v1/session", content=padded).status_code == 204


@pytest.mark.parametrize("stated", ["-1", "\xb2", "9" * 5000, "x"])
def test_a_length_that_is_none(client: TestClient, stated: str) -> None:
    headers = {"content-length": stated.encode("latin-1")}
    assert code(client.post("/v1/search", headers=headers, content=b"")) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "caps"),
    [("/v1/search", Caps(body_s=0.1)), ("/v1/session", Caps(body_s=0.1)), ("/v1/session", Caps())],
)
def test_a_body_that_never_ends(path: str, caps: Caps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow requests are given up, and the app never sees them."""
    monkeypatch.setattr("vidskim.serve.guard.LOGIN_S", 0.1)
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    guard = Guard(app, access=Access(), caps=caps)
    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"localhost")]}
    asyncio.run(guard(scope, receive, send))
    assert sent[0]["status"] == 408
    assert seen == []


def test_too_many_at_once() -> None:
    """The one above the cap is told when to come again; the others are answered."""
    statuses: list[int] = []

    async def ask() -> None:
        release = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                if message["status"] == 429:
                    assert (b"retry-after", b"1") in message["headers"]

        guard = Guard(app, access=Access(), caps=Caps(requests=2))
        scope = {"type": "http", "method": "GET", "path": "/health", "headers": [(b"host", b"localhost")]}
        tasks = [asyncio.create_task(guard(dict(scope), receive, send)) for _ in range(3)]
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(ask())
    assert statuses == [429, 200, 200]


def test_a_fault_says_nothing_about_itself(fresh: Library) -> None:
    def broken() -> None:
        raise RuntimeError("/home/secret/path")

    fresh.texts.before = broken
    with TestClient(fresh.app(), base_url="http://localhost") as client:
        answer = client.post("/v1/search", json={"query": "red"})
    assert code(answer) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
