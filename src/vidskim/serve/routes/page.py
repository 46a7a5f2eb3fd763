"""GET /: the web page, static files of the package; nothing is built and nothing is fetched from elsewhere."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from vidskim.serve.refusal import RefusedError

router = APIRouter(include_in_schema=False)
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class PageFile:
    """One file: its bytes, media type, and a tag of its content."""

    content: bytes
    kind: str
    tag: str


@router.get("/")
def page(request: Request) -> Response:
    """The document."""
    return _answer(request, INDEX)


@router.get("/page/{name}")
def part(name: str, request: Request) -> Response:
    """A style, a script or a picture of it."""
    return _answer(request, name)


@cache
def page_files() -> dict[str, PageFile]:
    """Every file by name: what is not in here is not served, whatever a name says."""
    found = {}
    for entry in files("vidskim.serve").joinpath("page").iterdir():
        kind = KINDS.get(entry.name[entry.name.rfind(".") :])
        if kind is not None:
            content = entry.read_bytes()
            found[entry.name] = PageFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found


def _answer(request: Request, name: str) -> Response:
    """Browsers keep a file and ask each time whether it is still the same."""
    file = page_files().get(name)
    if file is None:
        raise RefusedError("not_found", f"the page has no file {name[:100]!r}")
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.kind)
