"""Inputs to videos, names and identities."""

import os
from pathlib import Path

import pytest

from vidskim.errors import SettingsError
from vidskim.pipeline.sources import list_videos, name_sources, root_of, source_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/x.mp4", "a/x.mp4", "a/y.MKV", "a/deep/z.webm", "a/notes.txt", "a/.hidden.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(inputs: list[str | Path]) -> list[str]:
    videos = list_videos(inputs)
    return [source.name for source in name_sources(videos, root=root_of(inputs, videos))]


def test_a_folder_gives_names_below_itself(folder: Path) -> None:
    assert names([folder / "a"]) == ["deep/z.webm", "x.mp4", "y.MKV"]


def test_several_inputs_give_names_below_what_they_share(folder: Path) -> None:
    assert names([folder / "b", folder / "a" / "x.mp4"]) == ["b/x.mp4", "a/x.mp4"]
    assert names([folder / "a" / "x.mp4"]) == ["x.mp4"]


def test_a_video_given_twice_is_one(folder: Path) -> None:
    assert names([folder / "a" / "x.mp4", folder / "a" / ".." / "a" / "x.mp4"]) == ["x.mp4"]


def test_a_list_names_files_and_folders_and_keeps_missing_ones(folder: Path) -> None:
    (folder / "list.txt").write_text(f"# videos\n{folder}/a/x.mp4\n\n{folder}/b\n{folder}/b/gone.mp4\n")
    assert names([f"@{folder}/list.txt"]) == ["a/x.mp4", "b/x.mp4", "b/gone.mp4"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere.mp4", "no such file or folder: nowhere.mp4"),
        ("@nowhere.txt", "cannot read the list nowhere.txt"),
        ("EMPTY", "no video in .*; looked for .3gp"),
    ],
)
def test_wrong_inputs_are_refused(tmp_path: Path, given: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        list_videos([tmp_path if given == "EMPTY" else given])


def test_names_must_lie_below_the_root(folder: Path) -> None:
    with pytest.raises(SettingsError, match="is not below"):
        name_sources([folder / "a" / "x.mp4"], root=folder / "b")


def test_names_that_are_not_text_become_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_text("x")
    assert [source.name for source in name_sources(list_videos([tmp_path]), root=tmp_path)] == [
        "caf\\udce9.mp4"
    ]


def test_identity_follows_content_and_time(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(bytes(300_000))
    os.utime(path, ns=(1, 1))
    first = source_id(path)
    assert source_id(path) == first
    os.utime(path, ns=(1, 2))
    assert source_id(path) != first
    for position in (0, 299_999):
        path.write_bytes(bytes(position) + b"x" + bytes(299_999 - position))
        os.utime(path, ns=(1, 1))
        assert source_id(path) != first
