"""Labelled videos, from folders and from lists."""

from pathlib import Path

import pytest

from vidskim.errors import SettingsError
from vidskim.evaluate.labelled import read_classes, read_labelled


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_folders_are_classes_in_alphabetical_order(tmp_path: Path) -> None:
    for name in ("runs/b.mp4", "runs/deep/a.MP4", "jumps/c.avi", "jumps/notes.txt", ".hidden/d.mp4"):
        write(tmp_path / name, "")
    found = read_labelled(tmp_path)
    assert found.classes == ("jumps", "runs")
    names = [path.relative_to(tmp_path).as_posix() for path in found.paths]
    assert list(zip(names, found.labels, strict=True)) == [
        ("jumps/c.avi", 0),
        ("runs/b.mp4", 1),
        ("runs/deep/a.MP4", 1),
    ]
    assert read_labelled(tmp_path, classes=("runs", "sits", "jumps")).labels == (2, 0, 0)
    assert found.part([2, 0]).paths == (found.paths[2], found.paths[0])
    assert len(found.part([1])) == 1


@pytest.mark.parametrize(
    "text", ["a b.mp4 2\nc/d.mp4 0\n\n", "a b.mp4,2\nc/d.mp4,0", "\ufeffa b.mp4, 2\nc/d.mp4, 0"]
)
def test_lists_of_numbers(tmp_path: Path, text: str) -> None:
    found = read_labelled(write(tmp_path / "val.csv", text))
    assert found.classes == ("0", "1", "2")
    assert found.labels == (2, 0)
    assert found.paths == (tmp_path / "a b.mp4", tmp_path / "c/d.mp4")
    assert read_labelled(tmp_path / "val.csv", root=Path("/videos")).paths[1] == Path("/videos/c/d.mp4")
    named = read_labelled(tmp_path / "val.csv", classes=("sits", "runs", "jumps", "falls"))
    assert (named.classes[named.labels[0]], len(named.classes)) == ("jumps", 4)


def test_lists_of_names(tmp_path: Path) -> None:
    found = read_labelled(write(tmp_path / "val.csv", "a.mp4,moves left\nb.mp4,grows\nc.mp4,moves left"))
    assert found.classes == ("grows", "moves left")
    assert found.labels == (1, 0, 1)


LIFTING = "Lifting up one end of something, then letting it drop down"  # a class of Something-Something v2


@pytest.mark.parametrize(
    "line",
    [
        f"1.webm {LIFTING}",
        f"1.webm,{LIFTING}",
        f"1.webm\t{LIFTING}",
        f'1.webm,"{LIFTING}"',
        f'1.webm "{LIFTING}"',
        f'"1.webm","{LIFTING}"',
    ],
)
@pytest.mark.parametrize("classes", [None, (LIFTING, "Closing something")])
def test_names_of_classes_may_have_commas(tmp_path: Path, line: str, classes: tuple[str, ...] | None) -> None:
    found = read_labelled(write(tmp_path / "val.csv", f"{line}\n2.webm Closing something"), classes=classes)
    assert [path.name for path in found.paths] == ["1.webm", "2.webm"]
    assert [found.classes[label] for label in found.labels] == [LIFTING, "Closing something"]


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("a, b.mp4 1", "a, b.mp4", "1"),
        ('"a, b.mp4",1', "a, b.mp4", "1"),
        ("a,b.mp4,1", "a,b.mp4", "1"),
        ("a b.mp4\t1", "a b.mp4", "1"),
        ("takes/17, second 1", "takes/17, second", "1"),  # no suffix
        ("a.mp4,take 1", "a.mp4", "take 1"),
        ("1.mp4 2.mp4 take 1", "1.mp4 2.mp4", "take 1"),
    ],
)
def test_paths_may_have_commas_and_spaces(tmp_path: Path, line: str, path: str, label: str) -> None:
    found = read_labelled(write(tmp_path / "val.csv", line))
    assert found.paths == (tmp_path / path,)
    assert found.classes[found.labels[0]] == label


@pytest.mark.parametrize("header", ["path,label", "path label", "video_path\tclass", '"path","label"'])
@pytest.mark.parametrize("rows", ["a.mp4,grows\nb.mp4,spins", "a 0\nb 1"])
def test_a_line_that_names_the_columns_is_left_out(tmp_path: Path, header: str, rows: str) -> None:
    found = read_labelled(write(tmp_path / "val.csv", f"{header}\n{rows}"))
    assert [path.stem for path in found.paths] == ["a", "b"]
    assert found.classes in (("grows", "spins"), ("0", "1"))


def test_names_of_classes_come_a_line(tmp_path: Path) -> None:
    assert read_classes(write(tmp_path / "names.txt", "moves left\n\ngrows\n")) == ("moves left", "grows")
    with pytest.raises(SettingsError, match="one a line, none twice; received"):
        read_classes(write(tmp_path / "twice.txt", "a\na\n"))
    with pytest.raises(SettingsError, match=r"cannot read names of classes from .*none\.txt"):
        read_classes(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4", r"val\.csv, line 1: expected a path and a label, received 'a\.mp4'"),
        ("a.mp4 0\n,3", "line 2: expected a path and a label"),
        ("\n", r"val\.csv: empty; expected lines such as"),
        ("a.mp4 7", r"val\.csv: unknown class '7'; allowed: grows, spins"),
        (
            "label,youtube_id,split\nspins,abc,val",
            "line 1: expected a path and a label, received 'label,youtube",
        ),
        ("a.mp4 spin\nb.mp4 spins", "Did you mean 'spins'"),
        ("a.mp4 spin", "Did you mean 'spins'"),
    ],
)
def test_other_lists_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_labelled(write(tmp_path / "val.csv", text), classes=("grows", "spins"))


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no videos in folders named after classes"):
        read_labelled(tmp_path)
    with pytest.raises(SettingsError, match=r"cannot read labelled videos from .*none\.csv"):
        read_labelled(tmp_path / "none.csv")
