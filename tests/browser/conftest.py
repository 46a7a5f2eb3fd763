"""A real server with a token over rendered videos, and a real Chromium to look at its page (`make test-browser`)."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.video.write import write_video

SEED, VIDEOS, SPARE = 0, 5, 9  # the spare one is uploaded by a test
PATIENCE_MS = 60_000  # machines that run tests are busy
DESKTOP = {"width": 1280, "height": 800}
VIDSKIM = [sys.executable, "-c", "from vidskim.cli.main import main; main()"]


@dataclass(frozen=True)
class Site:
    """Where the server is, what it asks for, and a video that it does not have."""

    url: str
    token: str
    spare: Path


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Rendered, indexed and served by the commands that people use; one file name holds a script."""
    folder = tmp_path_factory.mktemp("site")
    for number in (*range(VIDEOS), SPARE):
        script = draw_script("test", seed=SEED, number=number)
        name = "<img src=x onerror=alert(1)>" if number == 1 else f"clip-{number}"
        path = folder / ("spare" if number == SPARE else "clips") / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, render_video(script, fps=10.0, height=120, width=160), 10.0)
    store = str(folder / "store")
    subprocess.run(
        [*VIDSKIM, "index", str(folder / "clips"), "--store", store], check=True, capture_output=True
    )
    token = secrets.token_urlsafe(32)
    log = folder / "log"
    with log.open("wb") as file:  # a pipe that nobody reads would fill, and stop the server
        server = subprocess.Popen(
            [*VIDSKIM, "serve", "--store", store, "--port", "0"],
            stderr=file,
            env={**os.environ, "VIDSKIM_TOKEN": token},
        )
    try:
        yield Site(_url_of(server, log), token, folder / "spare" / f"clip-{SPARE}.mp4")
    finally:
        server.terminate()
        server.wait(timeout=30)


def _url_of(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """What the server says when it listens."""
    while server.poll() is None:
        if found := re.search(r"(http://127\.0\.0\.1:\d+)\s", log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"the server ended: {log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    found = shutil.which("chromium")
    assert found, "no chromium: `make test-browser` installs it, or apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--mute-audio", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """The page, signed in, at desktop size; a test fails if the page broke its own policy or threw an error."""
    with browser.new_context(
        viewport=DESKTOP, base_url=site.url, accept_downloads=True, color_scheme="light"
    ) as context:
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page, problems = context.new_page(), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if "Content Security" in said.text else None
        )
        page.on("dialog", lambda dialog: problems.append(f"a script ran: {dialog.message}"))
        page.goto("/")
        page.get_by_label("Token of this server").fill("wrong" * 8)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("Not signed in")
        page.get_by_label("Token of this server").fill(site.token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#results .card").first).to_be_visible()
        yield page
        assert problems == []
