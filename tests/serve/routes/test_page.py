"""The page's files: served as they are, and nothing beside them."""

import re
from importlib.resources import files
from typing import Any

import pytest
from starlette.testclient import TestClient

from vidskim.serve.routes.page import INDEX, page_files

INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", re.I)
ELSEWHERE = re.compile(r"""(?:src|href)=["'](?:https?:)?//|@import|url\(""")


def test_the_page_and_all_its_parts(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    named = set(re.findall(r"/page/([\w.]+)", page.text))
    assert {"main.js", "style.css", "icon.svg"} <= named
    for name, file in page_files().items():
        assert client.get(f"/page/{name}").content == file.content
    scripts = [file.content.decode() for name, file in page_files().items() if name.endswith(".js")]
    imported = {name for text in scripts for name in re.findall(r'from "\./([\w.]+)"', text)}
    assert named | imported <= set(page_files())
    assert len(imported) >= 6


def test_a_part_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/page/main.js").headers["etag"]
    again = client.get("/page/main.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "..%2f__init__.py", "%2e%2e", "__init__.py", "a%00.js"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer: Any = client.get(f"/page/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_policy_can_be_kept(client: TestClient) -> None:
    """No inline scripts or styles, nothing from other sites, and never markup from text."""
    for name, file in page_files().items():
        text = file.content.decode()
        assert not ELSEWHERE.search(text.replace('xmlns="http://www.w3.org/2000/svg"', "")), name
        if name.endswith(".html"):
            assert not INLINE.search(text)
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        ), name


def test_files_are_in_the_package_and_small() -> None:
    folder = files("vidskim.serve").joinpath("page")
    assert INDEX in page_files()
    for entry in folder.iterdir():
        assert len(entry.read_text(encoding="utf-8").splitlines()) <= 300, entry.name
