"""vidskim evaluate retrieval: tables of one's own, data sets in their official files, adapters, resuming."""

import json
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vidskim.cli.main import main
from vidskim.models.adapter import ADAPTER_FILE, Adapter, save_adapter
from vidskim.models.checkpoint import read_checkpoint
from vidskim.models.lora import LowRank

Verb = Callable[..., tuple[int, dict[str, Any], str]]
PLAN = {"frames": 4, "joins": {"3": 2, "4": 2}, "r": 4, "across": 0.3, "within": 0.1}
SET_PLAN = ("--set", f"plan={json.dumps(PLAN)}")
COMMAND = ("evaluate", "retrieval", "--model", "demo", "--dtype", "float32")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    table = tmp_path / "mine.csv"
    rows = "v0,a red circle moves\nv1,a star turns\nv1.mp4,a blue star\nv2,two squares\n"
    table.write_text("video,caption\n" + rows.replace("v1.mp4", "v1"), encoding="utf-8")
    return table


def test_a_table_gives_one_record(verb: Verb, rendered: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = (*COMMAND, "--pairs", pairs, "--videos", rendered, "--out", out, *SET_PLAN)
    code, document, err = verb(*command, "--set", "merge=true", "--set", "merge=false")
    assert code == 0
    assert "3/3 videos, 0 failed" in err
    assert (document["task"], document["videos"], document["texts"]) == ("retrieval", 3, 4)
    assert (document["frames"], document["listed"], document["length_s"]) == (4, 3, None)
    assert [(score["method"], score["adapter"]) for score in document["scores"]] == [
        ("full", ""),
        ("tempme", ""),
        ("tempme", ""),
    ]
    macs = [score["macs"] for score in document["scores"]]
    assert macs[1] < macs[0]
    assert macs[1] < macs[2]
    for score in document["scores"]:
        assert (score["text_to_video"]["queries"], score["text_to_video"]["items"]) == (4, 3)
        assert score["video_to_text"]["R@5"] == 100
    assert document["chance"]["text_to_video"]["R@1"] == pytest.approx(100 / 3)
    assert {"vidskim", "torch"} <= set(document["versions"])
    assert json.loads((out / "record.json").read_text(encoding="utf-8")) == document
    code, again, err = verb(*command, "--set", "merge=true", "--set", "merge=false")
    assert (code, again["reused"]) == (0, 9)
    assert again["scores"] == document["scores"]
    assert "9 vectors were there" in err


def test_a_table_for_people(capsys: pytest.CaptureFixture[str], rendered: Path, pairs: Path) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(
            [*COMMAND, "--pairs", str(pairs), "--videos", str(rendered), "--method", "full", "--frames", "3"]
        )
    lines = capsys.readouterr().out.splitlines()
    assert not exit_info.value.code
    assert lines[0] == "3 of 3 videos, 4 texts, 3 frames of each"
    headings = "text to video R@1 R@5 R@10 R@50 MdR MnR R-Sum GMAC/video ms/video"
    assert lines[2].split() == headings.split()
    firsts = [line.split()[0] for line in lines[1:-2] if line]
    assert firsts == [
        "text",
        "full",
        "full,",
        "chance",
        "video",
        "full",
        "full,",
        "chance",
    ]  # also with its adapter
    assert lines[5].split()[1:] == ["33.3", "100.0", "100.0", "100.0", "2", "2.0", "233.3"]
    assert lines[-2].startswith("R@k in %; R-Sum = R@1 + R@5 + R@10;")
    assert lines[-1] == "the standard error of a recall over 3 videos is up to 28.9 points"


DATA: dict[str, dict[str, Any]] = {
    "msrvtt": {
        "MSRVTT_JSFUSION_test.csv": "key,vid_key,video_id,sentence\nret0,m1,v0,a dog\nret1,m2,v1,rain\n"
    },
    "activitynet": {"val_1.json": {"v_v0": {"sentences": ["a", "b"]}, "v_v1": {"sentences": ["c"]}}},
    "didemo": {
        "test_data.json": [
            {"video": "v0.avi", "description": "a dog", "times": [[0, 0]]},
            {"video": "v1.mp4", "description": "left", "times": [[1, 2]]},
        ]
    },
    "lsmdc": {"LSMDC16_challenge_1000_publictect.csv": "v0\t0\t1\t0\t1\tone.\nv1\t0\t1\t0\t1\ttwo.\n"},
    "msvd": {
        "test_list.txt": "v0\nv1\n",
        "raw-captions.pkl": pickle.dumps({"v0": [["a"], ["a", "dog"]], "v1": [["rain"]]}),
    },
    "vatex": {
        "vatex_public_test_english_v1.1.json": [
            {"videoID": "v0", "enCap": ["a", "b"]},
            {"videoID": "v1", "enCap": ["c"]},
        ]
    },
}


@pytest.mark.parametrize("name", DATA)
def test_every_data_set_by_its_files(verb: Verb, rendered: Path, tmp_path: Path, name: str) -> None:
    for file, content in DATA[name].items():
        data = (
            content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else None
        )
        (tmp_path / file).write_bytes(json.dumps(content).encode() if data is None else data)
    code, document, _ = verb(
        *COMMAND,
        *(
            "--dataset",
            name,
            "--annotations",
            tmp_path,
            "--videos",
            rendered,
            "--method",
            "full",
            "--frames",
            2,
        ),
    )
    assert code == 0
    assert (document["dataset"], document["videos"]) == (name, 2)
    assert document["split"] == ("val" if name == "activitynet" else "test")
    assert document["texts"] == (3 if name in ("msvd", "vatex") else 2)
    assert document["length_s"] == (31.0 if name == "didemo" else None)


def test_missing_videos_are_named(verb: Verb, rendered: Path, tmp_path: Path) -> None:
    for name in ("v0.mp4", "v1.mp4"):
        shutil.copy(rendered / name, tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = [("v0", "a"), ("v1", "b"), ("broken", "c"), ("gone", "d")]
    lines = [json.dumps({"video": video, "caption": caption}) for video, caption in rows]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    code, document, _ = verb(*COMMAND, "--pairs", tmp_path / "mine.jsonl", "--method", "full")
    assert code == 3
    assert (document["missing"], list(document["failed"])) == (["gone"], ["broken"])
    assert (document["videos"], document["texts"], document["listed"]) == (2, 2, 4)
    code, document, _ = verb(*COMMAND, "--pairs", tmp_path / "mine.jsonl", "--method", "full", "--sample", 2)
    assert (code, document["listed"]) == (3, 2)


def test_adapters_side_by_side(
    verb: Verb, clip_model: Path, rendered: Path, pairs: Path, tmp_path: Path
) -> None:
    """One given by its file, or the one in the model's folder; beside them the plain model's frames."""
    model = tmp_path / "clip"
    shutil.copytree(clip_model, model)
    plain = read_checkpoint(model)
    width = plain.vision.width
    files = []
    for seed in (0, 1):
        generator = torch.Generator().manual_seed(seed)
        lora = LowRank(
            0.1 * torch.randn(2, width, generator=generator), torch.randn(3 * width, 2, generator=generator)
        )
        positions = {
            3: torch.randn(4, width, generator=generator),
            4: torch.randn(2, width, generator=generator),
        }
        files.append(tmp_path / f"adapter{seed}.safetensors")
        save_adapter(files[-1], Adapter({0: lora}, {}, positions, {"plan": PLAN}), backbone=plain.backbone)
    command = ("evaluate", "retrieval", "--model", model, "--pairs", pairs, "--videos", rendered)
    code, document, _ = verb(*command, "--adapter", files[0], "--adapter", files[1])
    assert code == 0
    found = [(score["method"], Path(score["adapter"]).name) for score in document["scores"]]
    assert found == [
        ("full", ""),
        ("full", "adapter0.safetensors"),
        ("tempme", "adapter0.safetensors"),
        ("full", "adapter1.safetensors"),
        ("tempme", "adapter1.safetensors"),
    ]
    assert document["frames"] == 4
    assert len({score["fingerprint"] for score in document["scores"]}) == 5
    shutil.copy(files[0], model / ADAPTER_FILE)
    code, inside, _ = verb(*command)
    assert [score["fingerprint"] for score in inside["scores"]] == [
        score["fingerprint"] for score in document["scores"][:3]
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --dataset with --annotations, or --pairs"),
        (("--dataset", "msrvtt"), "--dataset needs --annotations and --videos"),
        (("--pairs", "x.csv", "--split", "test"), "--split is for --dataset"),
        (("--pairs", "x.csv", "--dataset", "msrvtt"), "give --dataset with --annotations, or --pairs"),
        (("--pairs", "x.csv"), "x.csv: no such table"),
        (("--pairs", "{pairs}", "--set", "plan=b32-12f"), "joins clips in block 10"),
        (("--pairs", "{pairs}", "--method", "full"), "none of the 3 videos is there"),
        (("--pairs", "{pairs}", *SET_PLAN, "--frames", "5"), "is of 4 frames and 5 are asked for"),
    ],
)
def test_what_cannot_be_is_refused(
    verb: Verb,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, document, _ = verb(*COMMAND, *(option.replace("{pairs}", str(pairs)) for option in options))
    assert code == 2
    assert message in document["error"]["message"]


def test_a_killed_evaluation_goes_on(verb: Verb, rendered: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--pairs", pairs, "--videos", rendered, "--method", "full", "--out", out)
    start = "from vidskim.cli.main import main; main()"
    command = [sys.executable, "-c", start, *map(str, (*COMMAND, *options))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob("vectors/*.safetensors")):
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = len(list(out.glob("vectors/*.safetensors")))
    assert done
    code, document, _ = verb(*COMMAND, *options)
    assert (code, document["videos"]) == (0, 3)
    assert document["reused"] == done
