"""Captions from tables and sidecars, and vectors that are made once."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.train.captions import embed_captions, read_captions, read_sidecars

NAMES = ("day/a.mp4", "b.mkv", "c.mp4")


def test_tables_name_videos_by_path_file_or_stem(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text('video,caption\nday/a.mp4,"a dog, running"\nb.mkv,a cat\nb.mkv,a grey cat\nother,no\n')
    expected = {"day/a.mp4": ["a dog, running"], "b.mkv": ["a cat", "a grey cat"]}
    assert read_captions(table, NAMES) == expected
    lines = tmp_path / "captions.jsonl"
    rows = [{"video": "a", "caption": "x"}, {"video": "c.mp4", "caption": "y", "extra": 1}]
    lines.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert read_captions(lines, NAMES) == {"day/a.mp4": ["x"], "c.mp4": ["y"]}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("c.csv", "video,text\na,b\n", 'row 1 needs "video" and "caption"'),
        ("c.jsonl", '{"video": "a", "caption": 3}\n', 'row 1 needs "video" and "caption"'),
        ("c.jsonl", "[1]\n", 'row 1 needs "video" and "caption"'),
        ("c.jsonl", "{not json\n", "cannot read captions from"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_captions(tmp_path / file, NAMES)
    with pytest.raises(SettingsError, match="cannot read captions"):
        read_captions(tmp_path / "missing.csv", NAMES)


def test_sidecars_hold_a_caption_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n two \n")
    (tmp_path / "b.txt").write_text("\n")
    videos = {name: tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4")}
    assert read_sidecars(videos) == {"a.mp4": ["one", "two"]}


def test_captions_are_encoded_once(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def encode(texts: Sequence[str]) -> Tensor:
        asked.append(list(texts))
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    captions = {"a": ["xx", "y"], "b": ["y"]}
    first = embed_captions(captions, tmp_path, encode=encode, model="m")
    again = embed_captions(captions, tmp_path, encode=encode, model="m")
    assert asked == [["xx", "y"]]
    for vectors in (first, again):
        assert vectors["a"].tolist() == [[2.0, 1.0], [1.0, 1.0]]
        assert vectors["b"].tolist() == [[1.0, 1.0]]
    embed_captions(captions, tmp_path, encode=encode, model="another")
    embed_captions({"a": ["z"]}, tmp_path, encode=encode, model="another")
    assert len(asked) == 3
