"""Counts and times for Prometheus, one registry for each app."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What is counted. Labels are routes and states, never what somebody sent."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "vidskim_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "vidskim_request_seconds",
            "Seconds to the first byte.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.batches = Histogram(
            "vidskim_batch_size", "Requests answered together.", ("queue",), buckets=_SIZES, registry=registry
        )
        self.waiting = Gauge("vidskim_waiting", "Requests in a queue.", ("queue",), registry=registry)
        self.jobs = Counter("vidskim_jobs", "Indexing jobs ended.", ("state",), registry=registry)
        self.uploaded = Counter("vidskim_uploaded_bytes", "Bytes of videos taken in.", registry=registry)
        self.videos = Gauge("vidskim_videos", "Videos in the store.", registry=registry)
        self.frames = Gauge("vidskim_frames", "Frames in the store.", registry=registry)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)


class Measured:
    """ASGI middleware that counts each request under its route."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                self._metrics.seconds.labels(route).observe(time.perf_counter() - begun)
                self._metrics.requests.labels(_known(scope["method"]), route, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counted)


def _known(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "DELETE") else "other"
