"""The app: parts in, routes out. Nothing is loaded here, so a test passes its own parts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from vidskim.serve.access import Access
from vidskim.serve.caps import Caps
from vidskim.serve.engine import Engine
from vidskim.serve.guard import Guard
from vidskim.serve.metrics import Measured
from vidskim.serve.refusal import install_handlers
from vidskim.serve.routes import (
    clips,
    embeddings,
    jobs,
    moments,
    page,
    reference,
    search,
    status,
    videos,
)
from vidskim.serve.runner import COMMAND
from vidskim.serve.services import make_services

ROUTERS = (
    search.router,
    embeddings.router,
    moments.router,
    videos.router,
    clips.router,
    jobs.router,
    status.router,
    reference.router,
    page.router,
)


def create_app(
    engine: Engine,
    *,
    data: Path,
    access: Access | None = None,
    caps: Caps | None = None,
    command: Sequence[str] = COMMAND,
) -> FastAPI:
    """The server as an ASGI app.

    Args:
        engine: that answers; its store and model are ready.
        data: folder for uploads and jobs, made if missing; for uploads to be served it lies in a root of the engine.
        access: who may ask; by default this machine, without a token.
        caps: how much.
        command: the process that indexes; see `indexing.py`.
    """
    services = make_services(
        engine, data=data, access=access or Access(), caps=caps or Caps(), command=command
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await services.start()
        try:
            yield
        finally:
            await services.close()

    app = FastAPI(
        title="vidskim",
        version=version("vidskim"),
        description="Search videos by sentences and pictures. Scores are cosines, not probabilities.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    install_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Guard, access=services.access, caps=services.caps)
    app.add_middleware(Measured, metrics=services.metrics)  # around it: refusals count
    return app
