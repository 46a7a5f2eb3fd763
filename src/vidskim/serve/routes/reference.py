"""GET /docs: every route, from the OpenAPI document, as a plain page: nothing is fetched from elsewhere."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from vidskim.serve.plain_page import plain_page

router = APIRouter(include_in_schema=False)


@router.get("/docs", response_class=HTMLResponse)
def reference(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(describe(request.app.openapi()))


def describe(document: dict[str, Any]) -> str:
    """An OpenAPI document as HTML."""
    info = document["info"]
    intro = f'<p>{escape(info.get("description", ""))} Machines read <a href="/openapi.json">openapi.json</a>.</p>'
    sections = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f'<section><h2 id="{escape(name)}">{escape(name)}</h2><pre>{escape(json.dumps(schema, indent=2))}</pre>'
        "</section>"
        for name, schema in document.get("components", {}).get("schemas", {}).items()
    )
    return plain_page(f"{info['title']} {info['version']}", f"{intro}{sections}<h1>Schemas</h1>{schemas}")


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(_parameters(operation))
    table = f"<table>{rows}</table>" if rows else ""
    answers = ", ".join(
        f"{escape(status)} {_schema_names(answer)}".strip()
        for status, answer in operation["responses"].items()
    )
    return (
        f"<section><h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>{table}"
        f"<p>Answers: {answers}</p></section>"
    )


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", []):
        need = "required" if parameter.get("required") else "optional"
        text = parameter.get("description") or parameter.get("schema", {}).get("description", "")
        yield (
            f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}, {need}</td>"
            f"<td>{escape(text)}</td></tr>"
        )
    if "requestBody" in operation:
        yield f"<tr><td>body</td><td></td><td>{_schema_names(operation['requestBody'])}</td></tr>"


def _schema_names(part: dict[str, Any]) -> str:
    """Media types and schemas, as links."""
    found = []
    for kind, content in part.get("content", {}).items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        found.append(f'<a href="#{escape(name)}">{escape(name)}</a>' if name else escape(kind))
    return ", ".join(found)
