"""vidskim watch --once on rendered videos."""

import shutil
from pathlib import Path
from typing import Any

Verb = Any  # see conftest


def test_one_pass_makes_a_store_and_the_next_keeps_it_up_to_date(
    rendered: Path, tmp_path: Path, verb: Verb
) -> None:
    folder, options = tmp_path / "clips", ("--store", tmp_path / "store", "--once", "--settle", "0.1")
    folder.mkdir()
    for name in ("v0.mp4", "v1.mp4"):
        shutil.copy(rendered / name, folder)
    code, document, _ = verb("watch", folder, *options)
    assert (code, document["done"], document["removed"], document["failures"]) == (0, 2, 0, [])
    (folder / "v0.mp4").unlink()
    (folder / "v1.mp4").rename(folder / "renamed.mp4")
    (folder / "bad.mp4").write_text("no video")
    code, document, _ = verb("watch", folder, *options)
    assert code == 3
    counts = {name: document[name] for name in ("done", "failed", "moved", "removed")}
    assert counts == {"done": 0, "failed": 1, "moved": 1, "removed": 1}
    _, listed, _ = verb("store", "list", "--store", tmp_path / "store")
    assert [video["name"] for video in listed["videos"]] == ["renamed.mp4"]


def test_a_folder_that_does_not_exist(tmp_path: Path, verb: Verb) -> None:
    code, document, _ = verb("watch", tmp_path / "nowhere", "--store", tmp_path / "store")
    assert code == 2
    assert "no such folder" in document["error"]["message"]
