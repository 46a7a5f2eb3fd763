"""vidskim train retrieval, as typed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.main import main
from vidskim.pipeline.load import load_model
from vidskim.synth.actions import draw_action
from vidskim.synth.render import render_video
from vidskim.video.write import write_video

Verb = Callable[..., tuple[int, dict[str, Any], str]]
PLAN = "plan=" + json.dumps({"frames": 2, "joins": [[4, 2]], "r": 1})
QUICK = ("--set", PLAN, "--steps", 1, "--workers", 0)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short videos and a table of their captions, which names a fifth."""
    folder = tmp_path_factory.mktemp("pairs")
    rows = ["video,caption"]
    for number in range(4):
        script = draw_action("train", seed=0, number=number)
        write_video(folder / f"{number}.mp4", render_video(script, fps=3.0, height=48, width=64), 3.0)
        rows.append(f"{number},{script.events[0].captions[0]}")
    rows.append("gone,a red star")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_own_videos_become_an_adapter(verb: Verb, footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--pairs", footage / "pairs.csv", "--videos", footage, "--batch", 2, "--held-out", 0.5, *QUICK)
    code, document, told = verb("train", "retrieval", *options, "--out", out)
    assert (code, document["missing"]) == (3, ["gone"])
    assert "1 videos are not in" in told
    assert "first the untrained model is asked" in told
    assert document["result"] == str(out / "tempme_adapter.safetensors")
    assert {"frames_alone", "before", "best"} < set(document["retrieval"])
    assert document["retrieval"]["held_out"] == {"videos": 2, "sentences": 2}
    model = load_model("demo", method="tempme", adapter=document["result"])
    assert model.plan().plan.frames == 2
    assert (out / "curve.png").is_file()
    code, document, told = verb("train", "retrieval", *options, "--out", out)  # finished: it says so again
    assert (code, document["parts"][0]["resumed_from"]) == (3, 1)
    assert "first the untrained model is asked" not in told
    named = (footage / "pairs.csv").read_text(encoding="utf-8")
    (footage / "whole.csv").write_text(named.replace("gone,a red star\n", ""), encoding="utf-8")
    options = ("--pairs", footage / "whole.csv", *options[2:])
    assert verb("train", "retrieval", *options, "--out", tmp_path / "all")[0] == 0


def test_chance_is_of_the_held_out_videos_that_can_be_read(
    capsys: pytest.CaptureFixture[str], footage: Path, tmp_path: Path
) -> None:
    for number in range(4):
        shutil.copy(footage / f"{number}.mp4", tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    for name, videos in (("learn", (0, 1)), ("judge", (2, 3, "broken"))):
        rows = "".join(f"{video},a star\n" for video in videos)
        (tmp_path / f"{name}.csv").write_text("video,caption\n" + rows, encoding="utf-8")
    options = ("--pairs", tmp_path / "learn.csv", "--held-out", tmp_path / "judge.csv", "--batch", 2, *QUICK)
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "train",
                "retrieval",
                *map(str, options),
                "--videos",
                str(tmp_path),
                "--out",
                str(tmp_path / "out"),
            ]
        )
    assert ended.value.code == 3
    told = capsys.readouterr().out
    assert "held out: 3 videos, 3 sentences; R@1 50.0 by chance" in told
    assert "1 of the videos held out could not be read" in told


def test_a_file_is_no_folder(verb: Verb, footage: Path) -> None:
    code, document, told = verb("train", "retrieval", "--out", footage / "pairs.csv")
    assert (code, told) == (2, "")
    assert "is a file" in document["error"]["message"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", 2, "--epochs", 1), "give --steps or --epochs, not both; received 2 and 1"),
        (("--epochs", 1), "epochs goes with videos; rendered ones have no end"),
        (("--pairs", "x.csv"), "x.csv: no such table"),
        (("--held-out", "0.2"), "--held-out goes with --pairs or --dataset; received '0.2'"),
        (("--videos", "."), "give --dataset with --annotations, or --pairs with a table of your own"),
        (("--videos", ".", "--dataset", "msrvtt"), "--dataset needs --annotations and --videos"),
        (
            ("--videos", ".", "--dataset", "msrvtt", "--annotations", ".", "--split", "test"),
            "no results are reported on what was trained or selected by; received --split test",
        ),
        (
            ("--videos", ".", "--dataset", "activitynet", "--annotations", ".", "--split", "val"),
            "received --split val",
        ),
        (("--tune", "some"), "unknown tune 'some'"),
        (("--tune", "full"), "--tune full needs --learning-rate: the usual one is LoRA's"),
        (("--batch", 12), "batch must be a multiple of 8; received 12"),
        (("--set", "plan=b32-12f"), "the plan joins clips in block 10"),
    ],
)
def test_wrong_usage_is_named(verb: Verb, tmp_path: Path, options: tuple[object, ...], message: str) -> None:
    code, document, _ = verb("train", "retrieval", "--out", tmp_path / "out", *options)
    assert code == 2
    assert message in document["error"]["message"]
