"""Requests made up from the OpenAPI document: no answer may be a fault, or other than the document says."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
import uvicorn
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from vidskim.serve.access import Access

Library = Any  # see conftest
TOKEN = "0123456789abcdef0123456789abcdef"
STUB = (sys.executable, str(Path(__file__).parent / "stub_indexing.py"))
EXAMPLES = 12  # for each route, of requests that the document allows, and of others
PATIENCE_S = 120.0  # the first upload starts a process, on a machine that may be busy
HELD = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(params=["everybody", "no token"])
def address(fresh: Library, request: pytest.FixtureRequest) -> Iterator[str]:
    """The app behind a real socket, without a token or asked by somebody who has none; its store has every level."""
    fresh.layer()
    access = Access(token=None if request.param == "everybody" else TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            fresh.app(command=STUB, access=access), log_level="error", ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(60)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_breaks_the_document(address: str, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    api = schemathesis.openapi.from_url(f"{address}/openapi.json", headers=headers)
    asked = 0
    for found in api.get_all_operations():
        operation = found.ok()

        @hypothesis.settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],  # the first failure tells enough, and shrinking takes minutes
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=HELD, timeout=PATIENCE_S)

        try:
            ask()
        except hypothesis.errors.Unsatisfiable:  # nothing is wrong for a route without parameters
            assert mode is GenerationMode.NEGATIVE
    assert asked > 100
