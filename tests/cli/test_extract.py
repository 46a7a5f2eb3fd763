"""vidskim extract on real clips with a tiny random model."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.main import main
from vidskim.pipeline.files import read_features
from vidskim.pipeline.manifest import read_lines
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.video.write import write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_model: Callable[..., None]) -> Path:
    folder = tmp_path_factory.mktemp("extract")
    write_model(folder / "model.safetensors", width=64, layers=2, patch=16, image=64)
    for index, name in enumerate(("a", "sub/a", "b")):
        path = folder / "clips" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = render_video(draw_script("test", seed=0, number=index), fps=6.0, height=72, width=96)
        write_video(path, islice(frames, 12 + index), 6.0)
    return folder


def run(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    arguments = [
        "extract",
        str(folder / "clips"),
        "--model",
        str(folder / "model.safetensors"),
        *options,
        "--json",
    ]
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), json.loads(captured.out), captured.err


@pytest.mark.parametrize("method", ["full", "copy", "interpolate", "residual", "reuse"])
def test_every_method_turns_videos_into_files(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, method: str
) -> None:
    options = [] if method == "full" else ["--interleave", "2"]
    code, report, _ = run(capsys, folder, "--out", str(tmp_path / "out"), "--method", method, *options)
    assert (code, report["done"], report["listed"]) == (0, 3, 3)
    names = [line["name"] for line in read_lines(tmp_path / "out" / "manifest.jsonl")]
    assert names == ["a.mp4", "b.mp4", "sub/a.mp4"]
    record = read_features(tmp_path / "out", "sub/a.mp4", "safetensors")
    assert record.features.shape == (7, 32)
    assert record.times_s.tolist() == pytest.approx([index / 3 for index in range(7)], abs=1e-3)
    assert json.loads(record.metadata["fingerprint"])["method"] == method


def test_a_budget_is_spent_and_written_down(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    assert run(capsys, folder, "--out", str(tmp_path / "out"), "--method", "reuse", "--budget", "0.6")[0] == 0
    record = read_features(tmp_path / "out", "a.mp4", "safetensors")
    fingerprint = json.loads(record.metadata["fingerprint"])
    assert fingerprint["settings"] == {"budget": 0.6, "select": "difference", "anchors": "both", "seed": 0}
    assert {"interleave", "keep", "threshold"} & fingerprint["settings"].keys() == set()


def test_a_second_run_skips_and_another_method_is_refused_with_the_command(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    assert run(capsys, folder, "--out", out)[0] == 0
    code, report, _ = run(capsys, folder, "--out", out)
    assert (code, report["skipped"], report["done"]) == (0, 3, 0)
    code, report, _ = run(capsys, folder, "--out", out, "--method", "reuse", "--keep", "0.5")
    assert (code, report["error"]["type"]) == (1, "FingerprintError")
    message = report["error"]["message"]
    assert "method: full -> reuse" in message
    assert f"vidskim extract {folder}/clips" in message
    assert f"--method reuse --keep 0.5 --json --out {out}-2\nTo replace them:\n" in message
    assert message.endswith("--method reuse --keep 0.5 --json --overwrite")
    assert run(capsys, folder, "--out", out, "--method", "reuse", "--overwrite")[1]["done"] == 3


def test_outputs_of_other_videos_are_refused_with_a_command_that_goes_through(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my out"
    assert run(capsys, folder, "--out", str(out))[0] == 0
    out.with_name("my out-2").mkdir()
    options = [f"--out={out}", "--method", "copy", "--limit", "1", "--overwrite"]
    code, report, _ = run(capsys, folder, *options)
    message = report["error"]["message"]
    assert (code, "To replace them" in message) == (1, False)
    assert message.splitlines()[-1].endswith(f"--json --out '{out}-3'")
    verb, *arguments = shlex.split(message.splitlines()[-1])
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert (verb, exit_info.value.code, json.loads(capsys.readouterr().out)["done"]) == ("vidskim", 0, 1)


def test_a_dry_run_writes_nothing(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    code, report, _ = run(capsys, folder, "--out", str(tmp_path / "out"), "--dry-run", "--limit", "2")
    assert (code, report["todo"], report["skipped"]) == (0, ["a.mp4", "b.mp4"], [])
    assert not (tmp_path / "out").exists()


def test_bad_videos_give_exit_3(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    whole = (folder / "clips" / "b.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "good.mp4").write_bytes(whole)
    (tmp_path / "list.txt").write_text(
        "".join(f"{tmp_path}/{name}.mp4\n" for name in ("cut", "text", "good", "gone"))
    )
    arguments = [
        f"@{tmp_path}/list.txt",
        "--model",
        str(folder / "model.safetensors"),
        "--out",
        str(tmp_path / "out"),
    ]
    with pytest.raises(SystemExit) as exit_info:
        main(["extract", *arguments, "--format", "npy"])
    captured = capsys.readouterr()
    assert exit_info.value.code == 3
    assert "1 done + 3 failed + 0 skipped = 4 listed" in captured.out
    assert "limiting stage: " in captured.out
    failures = read_lines(tmp_path / "out" / "failures.jsonl")
    assert [line["name"] for line in failures] == ["cut.mp4", "text.mp4", "gone.mp4"]
    assert (tmp_path / "out" / "good.mp4.times.npy").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--method", "resuse"], 2, "Did you mean 'reuse'"),
        (["--method", "reuse", "--set", "selct=center"], 2, "Did you mean 'select'"),
        (["--config", "heds=3"], 2, "Did you mean 'heads'"),
        (["--config", "heads"], 2, "--config takes name=value, received 'heads'"),
        (["--set", "keep"], 2, "--set takes name=value, received 'keep'"),
        (["--method", "reuse", "--keep", "0.5", "--set", "keep=0.4"], 2, "keep is given twice"),
        (["--method", "reuse", "--keep", "1.5"], 2, "1.5"),
        (["--format", "npz"], 2, "Did you mean 'npy'"),
        (["--fps", "-1"], 2, "fps must be above 0"),
        (["--dtype", "float31"], 2, "Did you mean 'float32'"),
    ],
)
def test_wrong_settings_are_named(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    tmp_path: Path,
    options: list[str],
    code: int,
    message: str,
) -> None:
    found, report, _ = run(capsys, folder, "--out", str(tmp_path / "out"), *options)
    assert (found, report["error"]["type"]) == (code, "SettingsError")
    assert message in report["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_json_is_alone_on_stdout_of_a_real_process(folder: Path, tmp_path: Path) -> None:
    options = ["--model", str(folder / "model.safetensors"), "--out", str(tmp_path / "out"), "--json"]
    code = "from vidskim.cli.main import main; main()"
    arguments = [sys.executable, "-c", code, "extract", str(folder / "clips"), *options]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["done"] == 3
