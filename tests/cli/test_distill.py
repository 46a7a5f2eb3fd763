"""vidskim train distill, as typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.distill import read_range, validation_lines
from vidskim.cli.main import main
from vidskim.errors import SettingsError
from vidskim.pipeline.load import load_model

Verb = Callable[..., tuple[int, dict[str, Any], str]]


def test_footage_is_distilled_and_the_result_loads(
    verb: Verb, rendered: Path, clip_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    arguments = (
        "train",
        "distill",
        "--model",
        clip_model,
        "--videos",
        rendered,
        "--videos",
        tmp_path / "bad.mp4",
    )
    options = ("--out", out, "--steps", 2, "--batch", 2, "--depth", 1, "--interleave", "1-2", "--no-mirror")
    code, document, errors = verb(*arguments, *options)
    assert code == 0
    assert "failed " in errors
    assert "bad.mp4: cannot_open" in errors
    assert len(document["validation"]["held_out"]) == 1
    assert document["parts"][0]["steps"] == 2
    assert set(document["validation"]["after"]["equal_cost"]) == {"0.35", "0.45", "0.5"}
    tokenizer = out / "residual_tokenizer.safetensors"
    assert document["result"] == str(tokenizer)
    load_model(clip_model, method="residual", residual_tokenizer=tokenizer)
    ours = ("--method", "residual", "--set", f"residual_tokenizer={tokenizer}")
    code, extracted, _ = verb(
        "extract", *rendered.glob("*.mp4"), "--model", clip_model, *ours, "--out", out / "x"
    )
    assert code == 0
    assert extracted["done"] == len(list(rendered.glob("*.mp4")))
    lines = validation_lines(document["validation"])
    assert lines[0].startswith("held out: ")
    assert any(line.startswith("  residual: ") and line.endswith(" before") for line in lines)
    assert sum("interpolate" in line for line in lines) == 4


def test_of_several_processes_one_speaks(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    options = ("--steps", 1, "--batch", 1, "--interleave", 1, "--keep", 0.1, "--json")
    arguments = ("train", "distill", "--model", "demo", "--videos", rendered, "--out", tmp_path, *options)
    with pytest.raises(SystemExit) as exit_info:
        main([*map(str, arguments)])
    assert exit_info.value.code == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", 2, "--epochs", 1), "give --steps or --epochs, not both; received 2 and 1"),
        (("--recipe", "fast"), "unknown recipe 'fast'; allowed: paper, tuned"),
        (("--interleave", "1-2-3"), "--interleave takes a number or a range such as 1-5, received '1-2-3'"),
        (("--keep", "few"), "--keep takes a number or a range such as 0.1-0.3, received 'few'"),
        (("--keep", "0.3-0.1"), "keep must be a share of patches"),
        (("--loss", "ce"), "loss 'ce' needs videos with captions"),
        (("--videos", "nowhere"), "no such file or folder: nowhere"),
    ],
)
def test_what_cannot_be_is_refused(
    verb: Verb, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    code, document, _ = verb("train", "distill", "--model", "demo", "--out", tmp_path / "out", *options)
    assert code == 2
    assert message in document["error"]["message"]


def test_a_range_is_a_number_or_two() -> None:
    assert read_range("--keep", "0.1-0.3", float, example="0.1-0.3") == (0.1, 0.3)
    assert read_range("--interleave", "2", int, example="1-5") == (2, 2)
    with pytest.raises(SettingsError, match="received '1-x'"):
        read_range("--interleave", "1-x", int, example="1-5")


def test_a_number_that_is_not_known_is_a_dash() -> None:
    row = {"residual": {"curve": None, "cosine": None}, "copy": {"curve": "N", "cosine": 0.5}}
    part = {"interleave": 2, "keep": 0.15, "between": {"cosine": 0.25}, "equal_cost": {"0.35": row}}
    document = {"held_out": list("abcdefg"), "before": part, "after": part}
    lines = validation_lines(json.loads(json.dumps(document)))
    assert lines[0] == "held out: a, b, c, d, e and 2 more"
    assert lines[2] == "  residual: 0.250, 0.250 before"
    assert lines[-1] == "  0.35: residual -, copy 0.500"
