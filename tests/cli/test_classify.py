"""vidskim classify: labels of several videos, bad files, and refusals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.main import main
from vidskim.methods.sta import Sta
from vidskim.pipeline.load import load_model
from vidskim.video.read import read_video

Verb = Callable[..., tuple[int, dict[str, Any], str]]


def test_videos_get_the_labels_of_the_library(verb: Verb, videomae: Path, rendered: Path) -> None:
    options = ("--model", videomae, "--dtype", "float32", "--device", "cpu")
    code, document, _ = verb("classify", rendered, *options, "--method", "sta", "--r", 2, "--top", 2)
    assert (code, document["failed"]) == (0, [])
    assert (document["method"], document["settings"]["r"]) == ("sta", 2)
    assert [Path(entry["path"]).name for entry in document["videos"]] == ["v0.mp4", "v1.mp4", "v2.mp4"]
    rec = load_model(videomae, method="sta", r=2, device="cpu", dtype="float32")
    for entry in document["videos"]:
        expected = rec.classify(read_video(entry["path"]), top=2)
        shown = [(label["label"], label["probability"]) for label in entry["labels"]]
        assert shown == [(label, pytest.approx(probability, abs=1e-6)) for label, probability in expected]
        assert (entry["views"], entry["macs"]) == (1, Sta(r=2).macs(rec.trunk.config, (8, 32, 32)))


@pytest.mark.parametrize("views", ["k400", "ssv2"])
def test_a_file_is_its_clip_in_every_view(videomae: Path, rendered: Path, views: str) -> None:
    rec = load_model(videomae, device="cpu", dtype="float32")
    found = rec.classify_file(rendered / "v1.mp4", views=views)
    expected = rec.classify(read_video(rendered / "v1.mp4"), views=views)
    assert dict(found) == pytest.approx(dict(expected), abs=1e-6)
    assert found.macs == expected.macs


def test_stages_apart_and_lines_for_people(
    capsys: pytest.CaptureFixture[str], videomae: Path, rendered: Path
) -> None:
    options = ["--model", str(videomae), "--method", "sta", "--set", "r=[3,0,1]", "--top", "1"]
    with pytest.raises(SystemExit) as exit_info:
        main(["classify", str(rendered / "v0.mp4"), *options])
    out = capsys.readouterr().out.splitlines()
    assert not exit_info.value.code
    assert out[0].startswith(str(rendered / "v0.mp4") + "  (1 view, ")
    assert out[1].split()[1] in ("walks", "jumps", "sleeps")
    assert len(out) == 2


def test_classes_are_named_by_a_file(verb: Verb, videomae: Path, rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("runs\nfalls\nsits\n", encoding="utf-8")
    options = ("--model", videomae, "--top", 3)
    _, plain, _ = verb("classify", rendered / "v0.mp4", *options)
    _, named, _ = verb("classify", rendered / "v0.mp4", *options, "--classes", tmp_path / "names.txt")
    renamed = dict(zip(("walks", "jumps", "sleeps"), ("runs", "falls", "sits"), strict=True))
    labels = [[label["label"] for label in told["videos"][0]["labels"]] for told in (plain, named)]
    assert [renamed[label] for label in labels[0]] == labels[1]


def test_bad_files_are_passed_over(verb: Verb, videomae: Path, rendered: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    code, document, err = verb("classify", bad, rendered / "v0.mp4", "--model", videomae)
    assert (code, len(document["videos"])) == (3, 1)
    assert (document["failed"][0]["path"], document["failed"][0]["kind"]) == (str(bad), "cannot_open")
    assert "failed" in err
    assert verb("classify", bad, "--model", videomae)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--method", "sta", "--r", "16"), 2, "r=16 drops too much: after block 1 a group has 16 tokens"),
        (("--method", "reuse"), 2, "its methods: full, sta, saliency, redundancy, random, uniform, tome"),
        (("--method", "sta", "--r1", "16"), 2, "unknown setting of method='sta', 'r1'"),
        (("--views", "all"), 2, "unknown views 'all'; allowed: k400, one, ssv2"),
    ],
)
def test_refusals_say_what_to_do(
    verb: Verb, videomae: Path, rendered: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    given, document, _ = verb("classify", rendered, "--model", videomae, *arguments)
    assert given == code
    assert message in document["error"]["message"]


def test_a_frame_model_has_no_labels(verb: Verb, rendered: Path) -> None:
    code, document, _ = verb("classify", rendered, "--model", "demo")
    assert code == 1
    assert "demo is a frame model and has no labels" in document["error"]["message"]


def test_encoding_verbs_refuse_a_classifier(
    verb: Verb, videomae: Path, rendered: Path, tmp_path: Path
) -> None:
    code, document, _ = verb(
        "extract", rendered, "--out", tmp_path / "out", "--model", videomae, "--method", "full"
    )
    assert code == 1
    assert "is a video classifier, which has no frame features" in document["error"]["message"]


def test_the_bundled_classifier_names_what_moves_in_rendered_files(verb: Verb, tmp_path: Path) -> None:
    code, *_ = verb("synth", tmp_path / "w", "--actions", "--videos", 8, "--size", "128x96", "--no-sheet")
    assert code == 0
    rows = (line.rsplit(",", 1) for line in (tmp_path / "w/actions.csv").read_text().splitlines())
    truth = dict(rows)
    code, document, _ = verb(
        "classify", tmp_path / "w/videos", "--model", "demo-action", "--method", "sta", "--r", 11
    )
    assert code == 0
    found = {f"videos/{Path(each['path']).name}": each["labels"][0]["label"] for each in document["videos"]}
    assert found.keys() == truth.keys()
    assert sum(found[name] == truth[name] for name in truth) >= 6
