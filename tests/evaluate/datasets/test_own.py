"""A table of one's own becomes videos with sentences, or says what is wrong with it."""

from pathlib import Path

import pytest

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.own import read_own


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.csv", "video,caption,note\na.mp4,a dog,x\nb.mp4,rain,\n a.mp4 ,it runs,,\n"),
        (
            "own.jsonl",
            '{"video": "a.mp4", "caption": "a dog"}\n\n{"video": "b.mp4", "caption": "rain"}\n'
            '{"video": "a.mp4", "caption": "it runs"}\n',
        ),
    ],
)
def test_a_table_of_ones_own(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    wanted = CaptionedVideos(("a.mp4", "b.mp4"), ("a dog", "rain", "it runs"), (0, 1, 0))
    assert read_own(tmp_path / name) == wanted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.csv", "video,caption,origin\na.mp4,a dog,0\nb.mp4,rain,\nc.mp4,it runs,0\n"),
        (
            "own.jsonl",
            '{"video": "a.mp4", "caption": "a\u2028dog", "origin": 0}\r\n{"video": "b.mp4", "caption": "rain"}\r\n'
            '{"video": "c.mp4", "caption": "it runs", "origin": 0}\r\n',
        ),
    ],
)
def test_a_table_of_ones_own_names_the_recordings(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_own(tmp_path / name).origins == ("0", "b.mp4", "0")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("own.csv", None, "no such table"),
        ("own.csv", "video,text\na,b\n", r"own\.csv: no column caption; it has video, text$"),
        ("own.csv", "", r"own\.csv: no column video, caption; it has nothing"),
        ("own.csv", "video;caption\na;b\n", "it has video;caption; commas go between columns"),
        ("own.csv", "video,caption\n", r"own\.csv: there are no sentences"),
        (
            "own.csv",
            "video,caption\na,rain\nb,a rabbit, grey\n",
            "line 3: more columns than the header; texts with commas go between double quotes",
        ),
        (
            "own.jsonl",
            '{"video": "a", "caption": ["b", "c"]}',
            r"line 1: expected caption to be text, received \[",
        ),
        ("own.jsonl", '\n{"video": "b", "caption": 5}', "line 2: expected caption to be text, received 5"),
        ("own.jsonl", "{", "line 1: cannot be read as JSON"),
        ("own.jsonl", '{"video": "a"}', "expected a record with 'caption'"),
    ],
)
def test_tables_that_do_not_fit_are_named(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_own(tmp_path / name)
