"""vidskim train recognition, as typed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.train_recognition import read_held_out
from vidskim.pipeline.load import load_model
from vidskim.synth.actions import draw_action
from vidskim.synth.render import render_video
from vidskim.video.write import write_video

Verb = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of two short videos."""
    folder = tmp_path_factory.mktemp("footage")
    for number in range(4):
        script = draw_action("train", seed=0, number=number)
        path = folder / ("first", "second")[number % 2] / f"{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, render_video(script, fps=3.0, height=48, width=64), 3.0)
    return folder


def test_own_videos_become_a_classifier(verb: Verb, footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--steps", 1, "--batch", 2, "--workers", 0, "--held-out", 0.5)
    code, document, _ = verb("train", "recognition", "--videos", footage, "--out", out, *options)
    assert code == 0
    assert document["result"] == str(out / "model")
    assert document["parts"][0]["steps"] == 1
    assert {"top1", "top5", "one_frame", "shuffled"} < set(document["recognition"]["validation"])
    assert load_model(out / "model").labels == ("first", "second")
    assert (out / "curve.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", 2, "--epochs", 1), "give --steps or --epochs, not both; received 2 and 1"),
        (
            ("--epochs", 1),
            "epochs: only with videos; rendered actions have their own classes, splits and sampling, and no end",
        ),
        (("--videos", "nowhere"), "cannot read labelled videos from nowhere"),
        (("--variant", "XL"), "unknown variant 'XL'"),
        (("--model", "x", "--variant", "S"), "variant is the size of a model from nothing, and x has one"),
        (("--mirror", "--held-out", 0.2), "held_out, mirror: only with videos"),
        (("--config", "heads=6"), "config tells what the files of a model do not; give a model"),
    ],
)
def test_wrong_usage_is_named(verb: Verb, tmp_path: Path, options: tuple[object, ...], message: str) -> None:
    code, document, _ = verb("train", "recognition", "--out", tmp_path / "out", *options)
    assert code == 2
    assert message in document["error"]["message"]


def test_what_is_held_out_is_a_share_or_a_list() -> None:
    assert read_held_out("0.2") == 0.2
    assert read_held_out("val.csv") == Path("val.csv")
