"""vidskim evaluate recognition: the table, the record, and what does not fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.main import main

Verb = Callable[..., tuple[int, dict[str, Any], str]]


def test_a_list_gives_one_record(verb: Verb, videomae: Path, rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("v0.mp4 0\nv1.mp4 2\n/elsewhere/v2.mp4 1\nv9.mp4 1\n", encoding="utf-8")
    options = (
        "--videos",
        rendered,
        "--model",
        videomae,
        "--r",
        2,
        "--r",
        3,
        "--out",
        tmp_path / "record.json",
    )
    code, document, err = verb("evaluate", "recognition", tmp_path / "val.csv", *options)
    assert code == 3
    assert document["missing"] == [str(rendered / "v9.mp4")]
    assert (document["videos"], document["listed"], document["task"]) == (3, 4, "recognition")
    methods = [(score["method"], score["settings"].get("r")) for score in document["scores"]]
    baselines = ("sta", "saliency", "redundancy", "random", "uniform", "tome")
    assert methods == [("full", None), *((name, r) for r in (2, 3) for name in baselines)]
    for score in document["scores"]:
        assert 0 <= score["top1"] <= score["top5"] == 1.0
    macs = [score["macs"] for score in document["scores"]]
    assert macs[0] > max(macs[1:7]) > max(macs[7:])
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8")) == document
    assert "4/4 videos" in err


def test_a_folder_of_classes_and_a_table_for_people(
    capsys: pytest.CaptureFixture[str], videomae: Path, rendered: Path, tmp_path: Path
) -> None:
    for name, video in (("walks", "v0.mp4"), ("sleeps", "v1.mp4")):
        (tmp_path / name).mkdir()
        (tmp_path / name / video).write_bytes((rendered / video).read_bytes())
    options = ["--model", str(videomae), "--method", "sta", "--r", "2", "--views", "ssv2"]
    with pytest.raises(SystemExit) as exit_info:
        main(["evaluate", "recognition", str(tmp_path), *options])
    out = capsys.readouterr().out.splitlines()
    assert not exit_info.value.code
    assert out[0] == "2 of 2 videos, 2 x 3 views"
    assert out[1].split() == [
        "method",
        "top-1",
        "top-5",
        "as",
        "full",
        "GMAC/view",
        "MACs",
        "ms/view",
        "time",
    ]
    assert out[2].split()[0] == "full"
    assert out[2].split()[2:4] == ["100.0", "100.0"]
    assert out[3].split()[:2] == ["sta", "r=2"]
    assert len(out) == 4


def test_a_part_of_the_list(verb: Verb, videomae: Path, rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("v0.mp4 0\nv1.mp4 2\nv2.mp4 1\n", encoding="utf-8")
    code, document, _ = verb(
        *("evaluate", "recognition", tmp_path / "val.csv", "--videos", rendered, "--model", videomae),
        *("--sample", 2, "--method", "random", "--seeds", 2, "--r", 2),
    )
    assert (code, document["listed"], document["videos"]) == (0, 2, 2)
    assert [score["settings"].get("seed") for score in document["scores"]] == [None, 0, 1]


def test_settings_are_tried_side_by_side(verb: Verb, videomae: Path, rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("v0.mp4 0\n", encoding="utf-8")
    command = ("evaluate", "recognition", tmp_path / "val.csv", "--videos", rendered, "--model", videomae)
    code, document, _ = verb(
        *command,
        *("--method", "sta", "--method", "tome", "--r", 2, "--r", 2, "--set", "r=[3,2,1]"),
        *("--set", "anchor=all", "--set", "anchor=kept"),
    )
    assert code == 0
    found = [(s["method"], s["settings"].get("r"), s["settings"].get("anchor")) for s in document["scores"]]
    assert found == [
        ("full", None, None),
        ("sta", 2, "all"),
        ("tome", 2, None),
        ("sta", 2, "kept"),
        ("sta", [3, 2, 1], "all"),
        ("tome", [3, 2, 1], None),
        ("sta", [3, 2, 1], "kept"),
    ]
    code, document, _ = verb(*command, "--r", 10)
    assert code == 2
    assert "r=10 drops too much" in document["error"]["message"]
    code, document, _ = verb(*command, "--r", 2, "--set", "anchor=1")
    assert code == 2
    assert "unknown anchor 1; allowed: all, kept" in document["error"]["message"]


def test_what_does_not_fit_is_named(verb: Verb, videomae: Path, rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("v0.mp4 runs\n", encoding="utf-8")
    command = ("evaluate", "recognition", tmp_path / "val.csv", "--model", videomae, "--r", 2)
    code, document, _ = verb(*command)
    assert code == 2
    assert "unknown class 'runs'; allowed: jumps, sleeps, walks" in document["error"]["message"]
    (tmp_path / "names.txt").write_text("runs\nfalls\n", encoding="utf-8")
    code, document, _ = verb(*command, "--classes", tmp_path / "names.txt")
    assert code == 2
    assert "received 2 names for the 3 classes of this model" in document["error"]["message"]
    (tmp_path / "names.txt").write_text("runs\nfalls\nsits\n", encoding="utf-8")
    code, document, _ = verb(*command, "--classes", tmp_path / "names.txt")
    assert code == 1
    assert "give their folder as --videos" in document["error"]["message"]
    code, document, _ = verb(*command, "--classes", tmp_path / "names.txt", "--method", "reuse")
    assert code == 2
    assert "its methods: full, sta" in document["error"]["message"]
