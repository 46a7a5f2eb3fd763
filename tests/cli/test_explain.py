"""vidskim explain, end to end."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vidskim.cli.main import main
from vidskim.pipeline.calibration import Calibration, write_calibration
from vidskim.pipeline.load import load_model
from vidskim.video.read import read_video

Verb = Any  # see conftest


@pytest.mark.parametrize(
    ("options", "settings", "absent"),
    [
        ((), {"method": "reuse"}, ("merged", "dropped")),
        (
            ("--method", "residual", "--keep", "0.3"),
            {"method": "residual", "keep": 0.3},
            ("merged", "reused"),
        ),
        (("--interleave", "3", "--threshold", "0.05"), {"interleave": 3, "threshold": 0.05}, ("dropped",)),
        (("--method", "merge", "--set", "r=4"), {"method": "merge", "r": 4}, ("reused", "dropped")),
        (("--method", "full", "--frames", "3"), {"method": "full"}, ("reused", "dropped")),
    ],
)
def test_a_picture_is_drawn_and_the_numbers_are_told(
    rendered: Path,
    tmp_path: Path,
    verb: Verb,
    options: tuple[str, ...],
    settings: dict[str, Any],
    absent: tuple[str, ...],
) -> None:
    video, out = rendered / "v2.mp4", tmp_path / "picture.png"
    code, document, err = verb("explain", video, "--out", out, *options)
    assert (code, err) == (0, "")
    features = load_model("demo", **{"method": "reuse", **settings}).encode(read_video(video, fps=3.0))
    assert [frame["kind"] for frame in document["frames"]] == features.kinds.tolist()
    assert [frame["time_s"] for frame in document["frames"]] == features.times_s.tolist()
    assert document["macs"] == features.macs
    assert document["method"].startswith(settings.get("method", "reuse"))
    assert sum(document["patches"].values()) == 49 * len(features)
    assert all(document["patches"][fate] == 0 for fate in absent)
    assert (document["video"], document["out"]) == (str(video), str(out))
    with Image.open(out) as image:
        assert image.width >= 700


def test_a_video_is_drawn_of_a_part(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = str(rendered / "v1.mp4"), tmp_path / "explained.mp4"
    with pytest.raises(SystemExit) as exit_info:
        main(["explain", video, "--out", str(out), "--start", "1", "--duration", "2", "--fps", "0"])
    lines = capsys.readouterr().out.splitlines()
    assert exit_info.value.code == 0
    assert lines[0].startswith("12 frames, 5 I + 7 P; ")
    assert lines[1].startswith("I-frames are merged to ")
    assert lines[2] == f"drawn to {out}"
    assert len(read_video(out)) == 12


def test_a_settings_file_says_how(rendered: Path, tmp_path: Path, verb: Verb) -> None:
    fingerprint = load_model("demo").fingerprint
    calibration = Calibration(
        source="demo",
        model=fingerprint.model,
        weights=fingerprint.weights,
        method="copy",
        settings={"interleave": 4},
        fps=3.0,
    )
    write_calibration(tmp_path / "settings.json", calibration)
    options = ("--settings", tmp_path / "settings.json", "--out", tmp_path / "x.png")
    document = verb("explain", rendered / "v2.mp4", *options)[1]
    assert document["method"] == "copy, interleave 4"
    code, document, _ = verb("explain", rendered / "v2.mp4", "--method", "reuse", *options)
    assert code == 2
    assert "leave out --method" in document["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.mp4"], 1, "gone.mp4"),
        (["gone.mp4", "--out", "x.gif"], 2, "--out ends in .png or .mp4, received 'x.gif'"),
        (
            ["gone.mp4", "--out", "x.gif", "--model", "nowhere"],
            2,
            "--out ends in .png or .mp4",
        ),  # asked first
        (["gone.mp4", "--duration", "0"], 2, "--duration must be above 0 seconds, received 0.0"),
        (["gone.mp4", "--frames", "0"], 2, "--frames"),
        (["gone.mp4", "--method", "reus"], 2, "Did you mean 'reuse'?"),
        (["{video}", "--start", "100"], 1, "no frames between start_s 100"),
        (["{video}", "--fps", "-2"], 2, "fps must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(
    rendered: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: Verb,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, document, _ = verb(
        "explain", *(argument.format(video=rendered / "v0.mp4") for argument in arguments)
    )
    assert found == code
    assert message in document["error"]["message"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "left"), [((), [40, 28]), (("--method", "tome"), [40, 28])])
def test_a_clip_of_a_classifier_is_drawn(
    videomae: Path, rendered: Path, tmp_path: Path, verb: Verb, options: tuple[str, ...], left: list[int]
) -> None:
    out = tmp_path / "clip.png"
    code, document, err = verb(
        "explain", rendered / "v1.mp4", "--out", out, "--model", videomae, "--set", "r=[6,6,0]", *options
    )
    assert (code, err) == (0, "")
    assert [stage["left"] for stage in document["stages"]] == left
    assert document["method"].startswith(options[1] if options else "sta")
    assert document["label"]["label"] in ("walks", "jumps", "sleeps")
    with Image.open(out) as image:
        assert image.width > 600
    part = verb("explain", rendered / "v1.mp4", "--out", out, "--model", videomae, "--start", 1, "--r", 2)[1]
    assert min(part["times_s"]) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "x.mp4"), "--out ends in .png for a video classifier, received"),
        (("--fps", "3"), "--fps is for frame models; a video classifier has a frame rate of its own"),
        (("--budget", "0.3"), "unknown setting of method='sta', 'budget'"),
        (("--method", "reuse"), "its methods: full, sta"),
    ],
)
def test_what_does_not_go_with_a_classifier_is_named(
    videomae: Path, rendered: Path, verb: Verb, options: tuple[str, ...], message: str
) -> None:
    code, document, _ = verb("explain", rendered / "v1.mp4", "--model", videomae, *options)
    assert code == 2
    assert message in document["error"]["message"]


PLAN = 'plan={"frames": 4, "joins": {"3": 2, "4": 2}, "r": 4, "across": 0.3, "within": 0.1}'
JOINING = ("--method", "tempme", "--set", PLAN)


def test_a_plan_and_what_it_does(rendered: Path, tmp_path: Path, verb: Verb) -> None:
    out = tmp_path / "joined.png"
    code, document, err = verb("explain", rendered / "v1.mp4", "--out", out, *JOINING)
    assert (code, err) == (0, "")
    assert document["method"] == "tempme, 4 frames, joins 2 2, split place"
    assert [stage["groups"] for stage in document["stages"]] == [4, 2, 1, 1]
    assert document["plan"]["frames"] == 4
    with Image.open(out) as image:
        assert image.height > image.width / 2
    code, plan, _ = verb("explain", *JOINING)
    assert code == 0
    assert plan == {key: document[key] for key in ("plan", "blocks", "macs", "full_macs")}


def test_a_plan_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["explain", *JOINING])
    lines = capsys.readouterr().out.splitlines()
    assert exit_info.value.code == 0
    assert lines[0].startswith("block  clips  frames in each")
    assert len(lines) == 8
    assert lines[-1].startswith("4 frames, ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a VIDEO; only --method tempme has a plan to print without one"),
        (["gone.mp4", "--adapter", "a.safetensors"], "--adapter goes with --method tempme"),
        ([*JOINING, "--fps", "2"], "--fps is for frame models; tempme takes as many frames as its plan has"),
        ([*JOINING, "--out", "x.mp4"], "--out ends in .png for tempme, received 'x.mp4'"),
        ([*JOINING, "--keep", "0.5"], "unknown setting of method='tempme', 'keep'"),
    ],
)
def test_what_does_not_go_with_a_plan(verb: Verb, arguments: list[str], message: str) -> None:
    code, document, _ = verb("explain", *arguments)
    assert code == 2
    assert message in document["error"]["message"]
