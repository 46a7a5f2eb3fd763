"""From a store's address to a server that listens: load, test, serve, stop in order."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from vidskim.errors import CheckpointError, FingerprintError, SettingsError
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.load import load_classifier
from vidskim.pipeline.origin import load_encoder_of, load_level_texts_of, load_text_of
from vidskim.pipeline.text import TextEncoder
from vidskim.serve.access import Access
from vidskim.serve.app import create_app
from vidskim.serve.caps import Caps
from vidskim.serve.engine import Engine
from vidskim.serve.roots import Roots
from vidskim.serve.selftest import SelfTest, check_pictures, check_texts, run_self_test
from vidskim.serve.services import UPLOADS, Services
from vidskim.store.dataset import Store
from vidskim.store.reader import Reader
from vidskim.store.records import About

STOP_S = 10  # seconds that requests have to end in
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to serve and how.

    Args:
        store: folder or object-store URI.
        access: address, token, names.
        port: to listen on; 0 takes a free one.
        roots: folders whose files may be served and indexed; by default those of the stored videos.
        data: folder for uploads and jobs; by default beside the store, "STORE.data".
        model: where the store's model lies now; by default where it did.
        classifier: a video classifier for labels, None for none.
        device: where to compute.
        caps: how much may be asked for.
    """

    store: str
    access: Access
    port: int = 8000
    roots: Sequence[Path] = ()
    data: Path | None = None
    model: str | None = None
    classifier: str | None = None
    device: str = "auto"
    caps: Caps = field(default_factory=Caps)


def build(plan: Plan) -> tuple[FastAPI, SelfTest]:
    """Load what the plan names and test it.

    Raises:
        StoreError: there is no such store.
        SelfTestError: the model does not work here.
        SettingsError: a root does not exist, or no data folder is named for a store that is not local.
    """
    store = Store.open(plan.store)
    data = plan.data or _beside(store)
    (data / UPLOADS).mkdir(parents=True, exist_ok=True)
    engine = Engine(
        store,
        roots=Roots([*(plan.roots or folders_of(store)), data / UPLOADS]),
        texts=_texts_of(store, plan),
        load_level_texts=lambda: _level_texts_of(store, plan, data=data),
        load_encoder=lambda: _encoder_of(store, plan),
        load_classifier=_classifier_of(plan),
        source=plan.model,
        device=plan.device,
    )
    tested = run_self_test(engine, reference=_reference(store.about, data))
    if store.levels is not None:
        _load_level_texts(engine)
    engine.calibrate()
    return create_app(engine, data=data, access=plan.access, caps=plan.caps), tested


def _encoder_of(store: Store, plan: Plan) -> VideoEncoder:
    """What pictures are encoded with, tested."""
    encoder = load_encoder_of(store, source=plan.model, device=plan.device)
    check_pictures(encoder)
    return encoder


def serve(app: FastAPI, *, access: Access, port: int, on_start: Callable[[str], None]) -> None:
    """Listen until SIGINT or SIGTERM; then requests under way have `STOP_S` seconds to end in.

    Args:
        app: to serve.
        access: its host is the address.
        port: 0 takes a free one.
        on_start: told the server's URL once it listens.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    listener = _listen(access.host, port)
    host, real_port = listener.getsockname()[:2]
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=2**16,
    )
    url = f"http://[{host}]:{real_port}" if ":" in host else f"http://{host}:{real_port}"
    server = _Server(config, services=app.state.services, on_start=lambda: on_start(url))
    with listener, suppress(KeyboardInterrupt):  # raised again once all has ended in order
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Lets those go who watch a job when it stops: their connections would never end by themselves."""

    def __init__(self, config: uvicorn.Config, *, services: Services, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._services, self._on_start = services, on_start
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell."""
        await super().startup(sockets)
        if self.started:
            self._loop = asyncio.get_running_loop()
            self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            stop = self._services.runner.stop_watching
            self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(stop()))


def folders_of(store: Reader) -> list[Path]:
    """The local folders that stored videos lie in, as far as they are there."""
    parents = {Path(video.path).parent for video in store.videos() if "://" not in video.path}
    return [folder for folder in sorted(parents) if folder.is_dir()]


def _texts_of(store: Store, plan: Plan) -> TextEncoder | None:
    texts = load_text_of(store, source=plan.model, device=plan.device)
    try:
        texts.encode_text(["a test"])
    except CheckpointError as error:
        _logger.warning("no search by text: %s", error)
        return None
    return texts


def _level_texts_of(store: Store, plan: Plan, *, data: Path) -> TextEncoder:
    texts = load_level_texts_of(store, source=plan.model, device=plan.device)
    if store.levels is not None:
        check_texts(texts, reference=_reference(store.levels.about, data))
    return texts


def _load_level_texts(engine: Engine) -> None:
    """Where they are not to be had, frames can be searched all the same."""
    try:
        engine.level_texts.tower()
    except (CheckpointError, FingerprintError) as error:
        _logger.warning("no search by level: %s", error)


def _reference(about: About, data: Path) -> Path:
    return data / f"reference-{about.fingerprint.digest}.safetensors"


def _classifier_of(plan: Plan) -> Callable[[], VideoClassifier] | None:
    source = plan.classifier
    return None if source is None else lambda: load_classifier(source, device=plan.device)


def _beside(store: Store) -> Path:
    if "://" in store.uri:
        raise SettingsError(
            f"{store.uri} is no local folder: name one for uploads and jobs with --data FOLDER"
        )
    return Path(f"{store.uri.rstrip('/')}.data")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; take another with --port"
        ) from error
