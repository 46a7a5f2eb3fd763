"""Extraction with a stand-in decoder and encoder: resume, refusal, damage, counts. Run as a script, it is a worker."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Hashable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from vidskim.errors import CannotOpenError, FingerprintError, SettingsError, VidskimError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.extract import extract, plan
from vidskim.pipeline.features import Features
from vidskim.pipeline.files import read_features
from vidskim.pipeline.ledger import ExtractReport
from vidskim.pipeline.manifest import read_lines
from vidskim.pipeline.stream import Block, Prepared
from vidskim.video.clip import Clip, Health


def read_text_video(
    path: Path, *, fps: float | None, motion: bool, max_bytes: int, slow_s: float = 0.0
) -> Iterator[Clip]:
    """A "video" is a JSON text: frames, shade, and what goes wrong."""
    assert max_bytes == 256 * 2**20
    text = path.read_text()
    if not text.startswith("{"):
        raise CannotOpenError("not a video", path=str(path))
    video = json.loads(text)
    for index in range(video["frames"]):
        if index == video.get("breaks_at"):
            raise RuntimeError("decoder broke")
        time.sleep(slow_s)
        frame = np.full((1, 4, 4, 3), (video["shade"] + index) % 256, np.uint8)
        health = Health(strategy="straight", frames_decoded=index + 1, packets_bad=video.get("bad", 0))
        yield Clip(frame, np.array([index / (fps or 25.0)]), None, health)


class StandInEncoder:
    """Features are a fixed function of each frame; frames wait for a full batch, across videos."""

    reading: ClassVar[dict[str, object]] = {"motion": False}
    dtype = torch.float32

    def __init__(self, *, method: str = "full", batch: int = 7, breaks_on: str = "") -> None:
        self.fingerprint = Fingerprint(model="stand-in", weights="0", preparation={}, method=method)
        self.batch, self.breaks_on, self.videos_in_a_batch = batch, breaks_on, 0

    def prepare(self, clip: Clip) -> Prepared:
        pixels = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float()
        return Prepared(pixels=pixels, times_s=clip.times_s, motion=None)

    def encode_stream(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features]]:
        waiting: list[Block] = []
        for block in blocks:
            if block.video == self.breaks_on:
                raise ValueError("cannot encode this")
            waiting.append(block)
            if sum(len(block.prepared.times_s) for block in waiting) >= self.batch:
                self.videos_in_a_batch = max(self.videos_in_a_batch, len({block.video for block in waiting}))
                yield from map(self.features, waiting)
                waiting = []
        yield from map(self.features, waiting)

    def features(self, block: Block) -> tuple[Hashable, Features]:
        mean = block.prepared.pixels.mean(dim=(2, 3)) + 1.0
        times = block.prepared.times_s
        vectors = torch.nn.functional.normalize(mean * torch.tensor([1.0, 2.0, 3.0]), dim=1)
        kinds = np.array(["I" if round(moment * 3) % 3 == 0 else "P" for moment in times], dtype="<U1")
        return block.video, Features(vectors, times, kinds, 10 * len(times), self.fingerprint)


def make_videos(folder: Path, **special: dict[str, Any] | str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    contents: dict[str, dict[str, Any] | str] = {
        f"v{index}": {"frames": 5, "shade": index} for index in range(4)
    }
    for name, content in (contents | special).items():
        path = folder / f"{name}.mp4"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        os.utime(path, ns=(10**18, 10**18))
    return sorted(folder.glob("*.mp4"))


def run(
    videos: list[Path], out: Path, encoder: StandInEncoder | None = None, **options: Any
) -> ExtractReport:
    return extract(videos, out, encoder or StandInEncoder(), **({"read": read_text_video} | options))


def snapshot(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("format", ["safetensors", "npy"])
def test_files_hold_features_times_kinds_and_what_made_them(tmp_path: Path, format: str) -> None:
    encoder = StandInEncoder()
    report = run(make_videos(tmp_path / "in"), tmp_path / "out", encoder, format=format)
    record = read_features(tmp_path / "out", "v1.mp4", format)
    assert record.features.shape == (5, 3)
    assert record.times_s.tolist() == [index / 3.0 for index in range(5)]
    assert record.kinds.tolist() == [1, 0, 0, 1, 0]
    assert Fingerprint.from_json(record.metadata["fingerprint"]) == encoder.fingerprint
    assert json.loads(record.metadata["health"])["frames_decoded"] == 5
    assert record.metadata["source"] == str(tmp_path / "in" / "v1.mp4")
    assert (report.done, report.frames, report.macs, report.damaged) == (4, 20, 200, 0)
    assert encoder.videos_in_a_batch > 1
    lines = read_lines(tmp_path / "out" / "manifest.jsonl")
    assert [line["name"] for line in lines] == ["v0.mp4", "v1.mp4", "v2.mp4", "v3.mp4"]
    assert lines[1]["run"] == record.metadata["run"] == report.run
    assert json.loads(json.dumps(report.to_json()))["times"]["limiting"] in (
        "decode",
        "prepare",
        "encode",
        "write",
    )


def test_bad_files_are_counted_and_do_not_stop_the_run(tmp_path: Path) -> None:
    videos = make_videos(
        tmp_path / "in",
        a_text="hello",
        broken={"frames": 9, "shade": 0, "breaks_at": 4},
        damaged={"frames": 3, "shade": 0, "bad": 2},
        empty={"frames": 0, "shade": 0},
    )
    videos.append(tmp_path / "in" / "gone.mp4")
    seen: list[str] = []
    report = run(videos, tmp_path / "out", on_progress=lambda progress: seen.append(progress.outcome))
    assert (report.listed, report.done, report.failed, report.skipped, report.damaged) == (9, 5, 4, 0, 1)
    assert sorted(seen) == ["done"] * 5 + ["failed"] * 4
    kinds = {line["name"]: line["kind"] for line in read_lines(tmp_path / "out" / "failures.jsonl")}
    assert kinds == {
        "a_text.mp4": "cannot_open",
        "broken.mp4": "unexpected",
        "empty.mp4": "no_frames",
        "gone.mp4": "cannot_open",
    }
    assert not (tmp_path / "out" / "broken.mp4.safetensors").exists()
    damaged = [
        line for line in read_lines(tmp_path / "out" / "manifest.jsonl") if line["name"] == "damaged.mp4"
    ]
    assert damaged[0]["health"]["packets_bad"] == 2


def test_a_video_that_breaks_the_encoder_takes_only_its_companions(tmp_path: Path) -> None:
    report = run(make_videos(tmp_path / "in"), tmp_path / "out", StandInEncoder(breaks_on="v1.mp4", batch=5))
    assert (report.done, report.failed) == (3, 1)
    assert report.failures[0]["message"] == "ValueError: cannot encode this"
    again = run(make_videos(tmp_path / "in"), tmp_path / "out")
    assert (again.done, again.skipped, again.failed) == (1, 3, 0)
    assert read_lines(tmp_path / "out" / "failures.jsonl") == []


def test_equal_names_in_different_folders_and_suffixes_do_not_collide(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in" / "a") + make_videos(tmp_path / "in" / "b")
    (tmp_path / "in" / "a" / "v0.mkv").write_text(json.dumps({"frames": 1, "shade": 9}))
    videos.append(tmp_path / "in" / "a" / "v0.mkv")
    assert run(videos, tmp_path / "out").done == 9
    outputs = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("v0*")]
    assert sorted(outputs) == ["a/v0.mkv.safetensors", "a/v0.mp4.safetensors", "b/v0.mp4.safetensors"]


def test_outputs_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{}")
    (tmp_path / "x.times").write_text("{}")
    with pytest.raises(SettingsError, match=r"x and x\.times would both write .*x\.times\.npy; rename one"):
        run([tmp_path / "x", tmp_path / "x.times"], tmp_path / "out", format="npy")


def test_a_second_run_skips_what_is_done_and_redoes_what_changed(tmp_path: Path) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    run(videos, out)
    before = snapshot(out)
    assert (run(videos, out).skipped, snapshot(out)) == (4, before)
    videos[0].write_text(json.dumps({"frames": 2, "shade": 50}))
    whole = out / "v2.mp4.safetensors"
    whole.write_bytes(whole.read_bytes()[:-1])
    agenda = plan(videos, out, StandInEncoder())
    assert [source.name for source in agenda.todo] == ["v0.mp4", "v2.mp4"]
    report = run(videos, out)
    assert (report.done, report.skipped) == (2, 2)
    assert len(read_features(out, "v0.mp4", "safetensors").features) == 2
    assert run(videos, out, overwrite=True).done == 4


def test_features_of_another_extractor_are_refused_before_any_work(tmp_path: Path) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    run(videos[:2], out)
    before = snapshot(out)
    other = StandInEncoder(method="reuse")
    with pytest.raises(
        FingerprintError, match=r"(?s)2 feature files.*v0.*method: full -> reuse.*--overwrite.*--out"
    ) as refusal:
        run(videos, out, other)
    assert refusal.value.remedy == "overwrite"
    with pytest.raises(FingerprintError, match=r"fps: 3.0 -> 2.0"):
        run(videos, out, fps=2.0)
    with pytest.raises(
        FingerprintError, match="not among the videos of this run, so use another folder"
    ) as refusal:
        run(videos[1:], out, other, overwrite=True)
    assert refusal.value.remedy == "other_folder"
    assert snapshot(out) == before
    assert run(videos, out, other, overwrite=True).done == 4


def test_a_cut_manifest_line_and_a_lost_one_are_written_again(tmp_path: Path) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    run(videos, out)
    before = snapshot(out)
    manifest = out / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[: -len(manifest.read_bytes()) // 3])
    (out / ".v1.mp4.safetensors.part").write_bytes(b"half")
    assert run(videos, out).skipped == 4
    assert snapshot(out) == before


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_stops_with_one_clear_line_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    videos, out = make_videos(tmp_path / "in"), tmp_path / "out"
    calls = fail_replacing(monkeypatch, "v2.mp4.safetensors", error)
    with pytest.raises(VidskimError, match=r"cannot write .*finished videos are kept"):
        run(videos, out)
    assert calls
    assert not list(out.glob("*.part"))
    monkeypatch.undo()
    assert (lambda report: report.done + report.skipped)(run(videos, out)) == 4


def test_one_output_that_cannot_be_renamed_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_replacing(monkeypatch, "v2.mp4.safetensors", errno.EACCES)
    report = run(make_videos(tmp_path / "in"), tmp_path / "out")
    assert (report.done, report.failed, report.failures[0]["kind"]) == (3, 1, "cannot_write")
    assert not list((tmp_path / "out").glob("*v2*"))


def fail_replacing(monkeypatch: pytest.MonkeyPatch, name: str, error: int) -> list[Path]:
    calls: list[Path] = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if target.name == name:
            calls.append(target)
            raise OSError(error, os.strerror(error), str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    return calls


@pytest.mark.parametrize("fps", [0.0, -1.0, 1e9])
def test_impossible_rates_are_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(SettingsError, match=f"fps must be above 0 and at most 1000 .*, received {fps}"):
        run(make_videos(tmp_path / "in"), tmp_path / "out", fps=fps)


@pytest.mark.parametrize(("stop", "moments"), [(signal.SIGKILL, (1, 6)), (signal.SIGINT, (3,))])
def test_a_run_stopped_at_any_moment_ends_in_the_same_bytes(
    tmp_path: Path, stop: signal.Signals, moments: tuple[int, ...]
) -> None:
    videos = make_videos(
        tmp_path / "in", **{f"w{index}": {"frames": 6, "shade": index} for index in range(8)}
    )
    run(videos, tmp_path / "whole")
    out = tmp_path / "stopped"
    for files_there in moments:
        command = [sys.executable, __file__, str(tmp_path / "in"), str(out), str(files_there)]
        worker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while worker.poll() is None and len(list(out.glob("*.safetensors"))) < files_there:
            time.sleep(0.002)
        worker.send_signal(stop)
        assert worker.wait(timeout=20) != 0, "the worker was done before it could be stopped"
    report = run(videos, out)
    assert report.skipped >= moments[-1]
    assert snapshot(out) == snapshot(tmp_path / "whole")


if __name__ == "__main__":
    inputs, outputs, stop_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    slow = partial(read_text_video, slow_s=0.01)
    hold = lambda progress: time.sleep(20 * (progress.done + progress.skipped >= stop_after))  # noqa: E731
    extract(sorted(inputs.glob("*.mp4")), outputs, StandInEncoder(), read=slow, on_progress=hold)
