"""vidskim store: list, remove, move, compact, index."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.main import main
from vidskim.store.dataset import Store

Verb = Any  # see conftest


@pytest.fixture
def moved(library: Path, rendered: Path) -> Path:
    """A copy of the videos, where the store does not know them to be."""
    shutil.copytree(rendered, library / "elsewhere")
    return library / "elsewhere"


def paths() -> list[str]:
    return [video.path for video in Store.open("vidskim-store").videos()]


def test_list_says_what_is_there(
    library: Path, rendered: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document, _ = verb("store", "list")
    assert code == 0
    assert (document["store"], document["model"], document["method"]) == (
        str(library / "vidskim-store"),
        "demo",
        "reuse",
    )
    first = document["videos"][0]
    assert (first["path"], first["frames"], first["fps"], first["gone"]) == (
        str(rendered / "v0.mp4"),
        12,
        3.0,
        False,
    )
    assert first["duration_s"] == pytest.approx(4.0, abs=0.1)
    assert document["bytes"] > 1000
    assert verb("store", "list", "--gone")[1]["videos"] == []
    with pytest.raises(SystemExit):
        main(["store", "list"])
    out = capsys.readouterr().out
    assert f"{rendered}/v2.mp4" in out
    assert "3 videos, 45 frames" in out
    assert "made with demo, method reuse" in out


def test_gone_videos_are_marked_and_can_be_removed(library: Path, moved: Path, verb: Verb) -> None:
    assert verb("store", "move", paths()[0], moved / "v0.mp4")[0] == 0
    (moved / "v0.mp4").unlink()
    gone = verb("store", "list", "--gone")[1]["videos"]
    assert [(row["path"], row["gone"]) for row in gone] == [(str(moved / "v0.mp4"), True)]
    code, document, _ = verb("store", "remove", "--gone", "--yes")
    assert (code, [row["path"] for row in document["removed"]]) == (0, [str(moved / "v0.mp4")])
    assert len(paths()) == 2
    assert verb("store", "remove", "--gone", "--yes")[1]["removed"] == []


def test_remove_takes_ids_paths_and_folders(library: Path, rendered: Path, verb: Verb) -> None:
    first = Store.open("vidskim-store").videos()[0]
    removed = verb("store", "remove", first.id, rendered / "v1.mp4", "--yes")[1]["removed"]
    assert [row["path"] for row in removed] == [str(rendered / "v0.mp4"), str(rendered / "v1.mp4")]
    assert paths() == [str(rendered / "v2.mp4")]
    assert verb("store", "remove", rendered, "-y")[0] == 0
    assert paths() == []
    assert (rendered / "v2.mp4").exists()


def test_remove_asks_and_nothing_happens_without_a_yes(
    library: Path,
    rendered: Path,
    verb: Verb,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, document, _ = verb("store", "remove", rendered)
    assert code == 2
    assert "Remove 3 videos" in document["error"]["message"]
    assert "add --yes" in document["error"]["message"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: (_ for _ in ()).throw(__import__("typer").Abort()))
    with pytest.raises(SystemExit) as exit_info:
        main(["store", "remove", str(rendered)])
    assert exit_info.value.code == 1
    assert len(paths()) == 3


@pytest.mark.parametrize("arguments", [[], ["x", "--gone"]])
def test_remove_wants_names_or_gone(library: Path, verb: Verb, arguments: list[str]) -> None:
    code, document, _ = verb("store", "remove", *arguments, "--yes")
    assert (code, "one of the two" in document["error"]["message"]) == (2, True)


def test_move_follows_a_folder_and_keeps_the_vectors(
    library: Path, rendered: Path, moved: Path, verb: Verb
) -> None:
    ids = [video.id for video in Store.open("vidskim-store").videos()]
    code, document, _ = verb("store", "move", rendered, moved)
    assert (code, len(document["moved"])) == (0, 3)
    assert document["moved"][0] == {
        "id": ids[0],
        "from": str(rendered / "v0.mp4"),
        "to": str(moved / "v0.mp4"),
    }
    assert [video.id for video in Store.open("vidskim-store").videos()] == ids
    assert verb("index", moved)[1]["skipped"] == 3


def test_move_takes_a_file_into_a_folder(library: Path, rendered: Path, moved: Path, verb: Verb) -> None:
    assert verb("store", "move", rendered / "v1.mp4", moved)[0] == 0
    assert str(moved / "v1.mp4") in paths()


def test_move_changes_nothing_if_a_file_is_missing_or_another_one(
    library: Path, rendered: Path, moved: Path, verb: Verb
) -> None:
    (moved / "v2.mp4").unlink()
    code, document, _ = verb("store", "move", rendered, moved)
    assert code == 1
    assert f"1 of 3 videos are not at their new place, such as {moved}/v2.mp4" in document["error"]["message"]
    shutil.copy(rendered / "v1.mp4", moved / "v2.mp4")
    code, document, _ = verb("store", "move", rendered, moved)
    assert code == 1
    assert "is not the file that was indexed as" in document["error"]["message"]
    assert paths() == [str(rendered / f"v{number}.mp4") for number in range(3)]
    assert "holds no video at" in verb("store", "move", "nowhere", moved)[1]["error"]["message"]


def test_compact_says_what_it_freed(library: Path, rendered: Path, verb: Verb) -> None:
    verb("store", "remove", rendered / "v0.mp4", "--yes")
    code, document, _ = verb("store", "compact")
    assert code == 0
    assert document["bytes_after"] < document["bytes_before"]
    assert len(paths()) == 2


def test_index_builds_the_approximate_index(library: Path, verb: Verb) -> None:
    code, document, _ = verb("store", "index")
    assert (code, document["frames"]) == (0, 45)
    store = Store.open("vidskim-store")
    video = store.videos()[0].id
    assert store.nearest(store.frames(video).vectors[0], limit=1, how="index").videos == (video,)


@pytest.mark.parametrize("name", ["list", "compact", "index"])
def test_without_a_store_the_message_says_how_to_make_one(
    tmp_path: Path, verb: Verb, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, document, _ = verb("store", name)
    assert code == 1
    assert "`vidskim index VIDEOS --store" in document["error"]["message"]
    assert not (tmp_path / "vidskim-store").exists()
