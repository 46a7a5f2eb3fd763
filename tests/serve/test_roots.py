"""Nothing outside the roots, by whatever way."""

import os
from pathlib import Path

import pytest

from vidskim.errors import SettingsError
from vidskim.serve.refusal import RefusedError
from vidskim.serve.roots import Roots, outermost


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    for place in ("clips/2024", "clips-private", "other/clips"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("clips/2024/a.mp4", "clips-private/b.mp4", "secret.txt"):
        (tmp_path / place).write_text(place)
    return Roots([tmp_path / "clips", tmp_path / "other/clips"])


def refusal(call: object, *arguments: object) -> str:
    with pytest.raises(RefusedError) as raised:
        call(*arguments)  # type: ignore[operator]
    return raised.value.code


def test_files_inside_and_outside(roots: Roots, tmp_path: Path) -> None:
    assert roots.file(str(tmp_path / "clips/2024/a.mp4")) == tmp_path / "clips/2024/a.mp4"
    assert refusal(roots.file, str(tmp_path / "clips/../secret.txt")) == "outside_roots"
    assert refusal(roots.file, str(tmp_path / "clips-private/b.mp4")) == "outside_roots"
    assert refusal(roots.file, "/etc/passwd") == "outside_roots"
    assert refusal(roots.file, str(tmp_path / "clips/none.mp4")) == "file_gone"
    assert refusal(roots.file, str(tmp_path / "clips/2024")) == "outside_roots"
    assert refusal(roots.file, "s3://bucket/a.mp4") == "file_gone"
    assert refusal(roots.file, "a\0b") == "file_gone"


def test_links_count_for_where_they_lead(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "clips/out.mp4").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "clips/in.mp4").symlink_to(tmp_path / "clips/2024/a.mp4")
    (tmp_path / "clips/up").symlink_to(tmp_path)
    (tmp_path / "clips/circle").symlink_to(tmp_path / "clips/circle")
    assert refusal(roots.file, str(tmp_path / "clips/out.mp4")) == "outside_roots"
    assert refusal(roots.file, str(tmp_path / "clips/up/secret.txt")) == "outside_roots"
    assert refusal(roots.file, str(tmp_path / "clips/circle")) == "file_gone"
    assert roots.file(str(tmp_path / "clips/in.mp4")) == tmp_path / "clips/2024/a.mp4"
    assert refusal(roots.folder, "clips/up") == "outside_roots"


def test_a_pipe_is_no_file(roots: Roots, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clips/pipe.mp4")
    assert refusal(roots.file, str(tmp_path / "clips/pipe.mp4")) == "outside_roots"


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/",
        "nobody",
        "clips/..",
        "clips/../clips-private",
        "clips/./2024",
        "clips//2024",
        "/etc",
        "clips\\..",
    ],
)
def test_folders_that_are_none(roots: Roots, place: str) -> None:
    assert refusal(roots.folder, place) == "not_found"


def test_folders_and_places(roots: Roots, tmp_path: Path) -> None:
    assert roots.labels == ["clips", "clips-2"]
    assert roots.folder("clips/2024") == tmp_path / "clips/2024"
    assert roots.folder("clips-2") == tmp_path / "other/clips"
    assert refusal(roots.folder, "clips/2024/a.mp4") == "not_found"
    assert roots.place(str(tmp_path / "clips/2024/a.mp4")) == "clips/2024/a.mp4"
    assert roots.place(str(tmp_path / "clips-private/b.mp4")) == "b.mp4"
    assert roots.place("s3://bucket/folder/c.mp4") == "c.mp4"


def test_a_root_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a root must exist"):
        Roots([tmp_path / "nowhere"])


def test_outermost(tmp_path: Path) -> None:
    for place in ("a/b", "a-b"):
        (tmp_path / place).mkdir(parents=True)
    assert outermost([tmp_path / "a/b", tmp_path / "a", tmp_path / "a-b", tmp_path / "a"]) == [
        tmp_path / "a",
        tmp_path / "a-b",
    ]
