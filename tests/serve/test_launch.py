"""The real server as a process: starts, answers, indexes, is killed, starts again, stops in order."""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from vidskim.cli.main import main
from vidskim.errors import CheckpointError, SettingsError
from vidskim.serve.access import Access
from vidskim.serve.launch import Plan, build, folders_of
from vidskim.serve.refusal import RefusedError
from vidskim.serve.selftest import SelfTestError
from vidskim.store.dataset import Store
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.video.write import write_video

PATIENCE_S = 600.0  # a loaded machine is no failure


class Server:
    """A running `vidskim serve`."""

    def __init__(self, store: Path, log: Path) -> None:
        self._log = log
        arguments = ["serve", "--store", str(store), "--port", "0"]
        code = f"from vidskim.cli.main import main; main({arguments!r})"
        with log.open("wb") as file:
            self.process = subprocess.Popen([sys.executable, "-c", code], stderr=file, stdout=file)
        self.url = self._url()

    def _url(self) -> str:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self.process.poll() is None:
            for word in self._log.read_text().split():
                if word.startswith("http://"):
                    return word
            time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """The answer's document."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            self.url + path, body, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    def wait(self, job: str, wanted: Any) -> dict[str, Any]:
        """Until a job is as wanted."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            shown = self.ask("GET", f"/v1/jobs/{job}")
            if wanted(shown):
                return shown
            time.sleep(0.05)
        raise AssertionError((shown, self._log.read_text()))


@contextmanager
def running(store: Path, log: Path) -> Iterator[Server]:
    server = Server(store, log)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips/, of which only v0.mp4 is in the store; v3.mp4 takes a while."""
    folder = tmp_path_factory.mktemp("launched")
    (folder / "clips").mkdir()
    for number in range(4):
        rendered = render_video(draw_script("test", seed=0, number=number), fps=6.0, height=96, width=128)
        frames = list(islice(rendered, 18 + number))
        write_video(folder / "clips" / f"v{number}.mp4", frames * (60 if number == 3 else 1), 6.0)
    with pytest.raises(SystemExit) as exit_info:
        main(["index", str(folder / "clips/v0.mp4"), "--store", str(folder / "store"), "--json"])
    assert exit_info.value.code == 0
    return folder


def test_a_kill_during_indexing_loses_nothing_that_was_committed(library: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(library / "store", store)
    with running(store, tmp_path / "log") as server:
        job = server.ask("POST", "/v1/jobs", {"folder": "clips"})["job_id"]
        server.wait(job, lambda shown: shown["done"] >= 1)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    held = {video.name: video for video in Store.open(store).videos()}
    assert {"v0.mp4", "v1.mp4"} <= set(held)
    assert "v3.mp4" not in held
    before = {name: Store.open(store).frames(video.id).vectors.copy() for name, video in held.items()}
    with running(store, tmp_path / "log") as server:
        assert server.ask("GET", f"/v1/jobs/{job}")["state"] == "interrupted"
        assert server.ask("POST", "/v1/search", {"query": "a red circle", "threshold": -1})["results"]
        server.ask("POST", f"/v1/jobs/{job}/retry")
        done = server.wait(job, lambda shown: shown["state"] not in ("queued", "running"))
        assert (done["state"], done["listed"], done["failed"]) == ("done", 4, 0)
        assert (done["attempt"], done["skipped"] + done["done"]) == (2, 4)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=PATIENCE_S) == 0
    after = Store.open(store)
    assert [video.name for video in after.videos()] == ["v0.mp4", "v1.mp4", "v2.mp4", "v3.mp4"]
    for name, vectors in before.items():
        assert (after.frames(held[name].id).vectors == vectors).all()


def test_what_is_built_for_a_store(library: Path, tmp_path: Path) -> None:
    plan = Plan(store=str(library / "store"), access=Access(), data=tmp_path / "data")
    app, tested = build(plan)
    engine = app.state.services.engine
    assert (tested.sentences, tested.stored, tested.compared) == (4, 1, False)
    assert engine.roots.labels == ["clips", "uploads"]
    assert engine.threshold("text") == engine.texts.min_score > 0  # the bundled model knows its own
    assert build(plan)[1].compared
    assert folders_of(Store.open(library / "store")) == [library / "clips"]


def test_a_store_with_levels_is_served_with_their_tower(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, data = tmp_path / "store", tmp_path / "data"
    plan = json.dumps({"frames": 4, "joins": {"1": 2, "2": 2}, "r": 2, "across": 0.2})
    options = ["--store", str(store), "--fps", "2", "--retrieval", "demo", "--plan", plan, "--json"]
    with pytest.raises(SystemExit) as exit_info:
        main(["index", str(library / "clips/v0.mp4"), *options])
    assert exit_info.value.code == 0
    served = Plan(store=str(store), access=Access(), data=data)
    levels = Store.open(store).levels
    assert levels is not None
    engine = build(served)[0].state.services.engine
    (text,) = engine.level_texts.encode(["a red circle"])
    assert text.vector.shape == (levels.about.dimensions,)
    reference = data / f"reference-{levels.about.fingerprint.digest}.safetensors"
    kept = load_file(reference)["sentences"]
    save_file({"sentences": kept.roll(1, dims=1)}, reference)
    with pytest.raises(SelfTestError, match="gives other vectors than when it first ran here"):
        build(served)

    def gone(*_: Any, **__: Any) -> None:
        raise CheckpointError("no model at there")

    monkeypatch.setattr("vidskim.serve.launch.load_level_texts_of", gone)
    with pytest.raises(RefusedError, match="no model at there"):
        build(served)[0].state.services.engine.level_texts.encode(["a red circle"])
    assert "no search by level: no model at there" in caplog.text


def test_a_server_for_others_needs_a_token(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--host", "0.0.0.0"], ["--host", "0.0.0.0", "--token", "short"]):
        with pytest.raises(SystemExit) as exit_info:
            main(["serve", "--store", str(library / "store"), *options, "--json"])
        assert exit_info.value.code == 2
        message = json.loads(capsys.readouterr().out)["error"]["message"]
        assert "token" in message


def test_an_address_that_is_taken(library: Path) -> None:
    import socket

    from vidskim.serve.launch import serve

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {port}"):
            serve(None, access=Access(), port=port, on_start=print)  # type: ignore[arg-type]
