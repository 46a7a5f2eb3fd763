"""Indexing with a stand-in decoder and encoder: what is skipped, moved, changed, failed, and killed.

Run as a script, it is a worker that is killed.
"""

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

from vidskim.disk import locked
from vidskim.errors import BusyError, CannotOpenError, FingerprintError, SettingsError, StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features
from vidskim.pipeline.index import IndexReport, index, spans
from vidskim.pipeline.stream import Block, Prepared
from vidskim.store import writer
from vidskim.store.dataset import Store
from vidskim.video.clip import Clip, Health


def read_text_video(
    path: Path, *, fps: float | None, motion: bool, max_bytes: int, slow_s: float = 0.0
) -> Iterator[Clip]:
    """A "video" is a JSON text: frames, shade, and how many packets are bad."""
    text = path.read_text()
    if not text.startswith("{"):
        raise CannotOpenError("not a video", path=str(path))
    video = json.loads(text)
    for number in range(video["frames"]):
        time.sleep(slow_s)
        frame = np.full((1, 4, 4, 3), video["shade"] + number, np.uint8)
        health = Health(strategy="straight", packets_bad=video.get("bad", 0))
        yield Clip(frame, np.array([number / (fps or 25.0)]), None, health)


class StandInEncoder:
    """A frame's vector points where its shade says; shade 255 gives no number."""

    reading: ClassVar[dict[str, object]] = {"motion": False}
    dtype = torch.float32
    dim = 8

    def __init__(self, method: str = "full") -> None:
        self.fingerprint = Fingerprint(model="stand-in", weights="0", preparation={}, method=method)
        self.encoded: list[Hashable] = []

    def prepare(self, clip: Clip) -> Prepared:
        pixels = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float()
        return Prepared(pixels=pixels, times_s=clip.times_s, motion=None)

    def encode_stream(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features]]:
        for block in blocks:
            shades = block.prepared.pixels.mean(dim=(1, 2, 3))
            angles = (shades[:, None] + 1) * torch.arange(1, self.dim + 1) / 50
            vectors = torch.nn.functional.normalize(torch.sin(angles + 0.3), dim=1)
            vectors[shades == 255] = torch.nan
            kinds = np.array(["I"] * len(shades), dtype="<U1")
            if block.video not in self.encoded:
                self.encoded.append(block.video)
            yield (
                block.video,
                Features(vectors, block.prepared.times_s, kinds, 10 * len(shades), self.fingerprint),
            )


def make_videos(folder: Path, count: int = 4, **special: dict[str, Any] | str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    contents: dict[str, dict[str, Any] | str] = {
        f"v{number:02d}": {"frames": 5, "shade": 7 * number} for number in range(count)
    }
    for name, content in (contents | special).items():
        (folder / f"{name}.mp4").write_text(content if isinstance(content, str) else json.dumps(content))
    return sorted(folder.glob("*.mp4"))


def open_store(folder: Path, encoder: StandInEncoder) -> Store:
    return Store.open_or_create(folder, fingerprint=encoder.fingerprint, dimensions=encoder.dim)


def run(
    videos: list[Path], folder: Path, *, encoder: StandInEncoder | None = None, **options: Any
) -> IndexReport:
    encoder = encoder or StandInEncoder()
    report = index(videos, open_store(folder, encoder), encoder, **({"read": read_text_video} | options))
    assert report.done + report.failed + report.skipped == report.listed
    return report


def rows(folder: Path) -> dict[str, Any]:
    """Everything a store holds, by path, as plain values."""
    store = Store.open(folder)
    found = {}
    for video in store.videos():
        held = store.frames(video.id)
        columns = held.vectors.tolist(), held.start_s.tolist(), held.end_s.tolist(), held.kinds.tolist()
        found[video.path] = (
            video.id,
            video.identity,
            video.fps,
            video.duration_s,
            dict(video.notes),
            columns,
        )
    return found


def test_a_store_holds_vectors_times_and_what_is_known_of_each_video(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in", hurt={"frames": 3, "shade": 90, "bad": 2})
    report = run(videos, tmp_path / "store")
    assert (report.done, report.frames, report.macs, report.damaged) == (5, 23, 230, 1)
    store = Store.open(tmp_path / "store")
    video = next(video for video in store.videos() if video.name == "v01.mp4")
    assert (video.path, video.frames, video.fps) == (str(videos[2]), 5, 3.0)
    assert video.duration_s == pytest.approx(5 / 3)
    assert video.notes["macs"] == 50
    assert video.notes["health"]["strategy"] == "straight"
    frames = store.frames(video.id)
    assert frames.start_s.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 4 / 3])
    assert frames.end_s.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])
    assert store.nearest(frames.vectors[2], limit=1).videos == (video.id,)
    document = json.loads(json.dumps(report.to_json()))
    assert (document["listed"], document["failures"]) == (5, [])


def test_what_is_there_is_skipped_and_progress_counts_every_video(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in")
    run(videos[:2], tmp_path / "store")
    before, told, encoder = rows(tmp_path / "store"), [], StandInEncoder()
    report = run(videos, tmp_path / "store", encoder=encoder, on_progress=told.append)
    assert (report.skipped, report.done) == (2, 2)
    assert encoder.encoded == ["v02.mp4", "v03.mp4"]
    assert [(each.name, each.outcome) for each in told] == [
        ("v00.mp4", "skipped"),
        ("v01.mp4", "skipped"),
        ("v02.mp4", "done"),
        ("v03.mp4", "done"),
    ]
    assert before.items() <= rows(tmp_path / "store").items()


def test_a_moved_file_keeps_its_vectors_and_its_id(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in")
    run(videos, tmp_path / "store")
    before = rows(tmp_path / "store")
    (tmp_path / "in" / "sub").mkdir()
    moved = videos[1].rename(tmp_path / "in" / "sub" / "renamed.mp4")
    encoder = StandInEncoder()
    report = run([*videos[:1], moved], tmp_path / "store", encoder=encoder)
    assert (report.skipped, report.moved, encoder.encoded) == (2, 1, [])
    after = rows(tmp_path / "store")
    assert after[str(moved)][0] == before[str(videos[1])][0]
    assert after[str(moved)][-1] == before[str(videos[1])][-1]
    assert str(videos[1]) not in after


def test_a_copy_is_another_video(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in", count=1)
    run(videos, tmp_path / "store")
    copy = tmp_path / "in" / "copy.mp4"
    copy.write_bytes(videos[0].read_bytes())
    report = run([*videos, copy], tmp_path / "store")
    assert (report.done, report.skipped, report.moved) == (1, 1, 0)


def test_changed_files_other_rates_and_reindex_are_encoded_again_under_the_same_id(tmp_path: Path) -> None:
    videos, folder = make_videos(tmp_path / "in", count=2), tmp_path / "store"
    run(videos, folder)
    ids = {path: row[0] for path, row in rows(folder).items()}
    videos[1].write_text(json.dumps({"frames": 9, "shade": 3}))
    encoder = StandInEncoder()
    assert run(videos, folder, encoder=encoder).skipped == 1
    assert encoder.encoded == ["v01.mp4"]
    assert Store.open(folder).count().frames == 14
    assert run(videos, folder, fps=None).done == 2
    assert run(videos, folder, fps=None).skipped == 2
    assert run(videos, folder, fps=None, reindex=True).done == 2
    assert {path: row[0] for path, row in rows(folder).items()} == ids
    assert Store.open(folder).count().frames == 14


def test_bad_videos_fail_alone_and_say_why(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in", bad="no video", nan={"frames": 2, "shade": 254})
    report = run([*videos, tmp_path / "in" / "gone.mp4"], tmp_path / "store")
    assert (report.done, report.failed) == (4, 3)
    kinds = {Path(failure.path).stem: (failure.kind, failure.message) for failure in report.failures}
    assert kinds["bad"] == ("cannot_open", "not a video")
    assert kinds["gone"] == ("cannot_open", "No such file or directory")
    assert kinds["nan"][0] == "cannot_store"
    assert "holds NaN or infinity" in kinds["nan"][1]
    assert Store.open(tmp_path / "store").count().videos == 4


def test_another_extractor_is_refused_before_any_work(tmp_path: Path) -> None:
    videos, folder = make_videos(tmp_path / "in"), tmp_path / "store"
    run(videos[:2], folder)
    other, store = StandInEncoder("reuse"), Store.open(folder)
    with pytest.raises(FingerprintError, match=r"(?s)method: full -> reuse.*--store OTHER.*--reindex"):
        index(videos, store, other, read=read_text_video)
    assert other.encoded == []
    assert store.count().videos == 2


def test_a_store_that_cannot_be_written_stops_the_run_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos, folder = make_videos(tmp_path / "in"), tmp_path / "store"
    real, calls = Store.add, []

    def add(self: Store, *args: Any, **named: Any) -> Any:
        calls.append(args)
        if len(calls) == 3:
            raise StoreError("could not be written: no space left") from OSError("no space left")
        return real(self, *args, **named)

    monkeypatch.setattr(Store, "add", add)
    with pytest.raises(StoreError, match="no space left"):
        run(videos, folder)
    assert len(calls) == 3
    monkeypatch.undo()
    report = run(videos, folder)
    assert (report.skipped, report.done) == (2, 2)


def test_a_store_that_others_hold_stops_the_run_and_blames_no_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos, folder = make_videos(tmp_path / "in"), tmp_path / "store"
    run(videos[:1], folder)
    monkeypatch.setattr(writer, "LOCK_WAIT_S", 0.05)
    message = r"is writing to .*, and has been for 0\.05 s; .*0 videos of this run .* goes on"
    with locked(folder, wait_s=1), pytest.raises(BusyError, match=message):
        run(videos, folder)
    assert run(videos, folder).done == 3


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_impossible_rates_are_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(SettingsError, match=f"fps must be above 0 and at most 1000 .*, received {fps}"):
        run(make_videos(tmp_path / "in"), tmp_path / "store", fps=fps)


@pytest.mark.parametrize(
    ("times_s", "ends_s"),
    [
        ([2.0], [3.0]),
        ([0.0, 0.5, 1.0], [0.5, 1.0, 1.5]),
        ([0.0, 0.5, 1.0, 9.0], [0.5, 1.0, 9.0, 9.5]),
        ([1.0, 1.0, 3.0], [3.0, 3.0, 5.0]),
        ([1.0, 1.0], [2.0, 2.0]),
    ],
)
def test_a_frame_stands_for_its_video_until_the_next_one(times_s: list[float], ends_s: list[float]) -> None:
    starts, ends = spans(np.array(times_s))
    assert (starts.tolist(), ends.tolist()) == (times_s, ends_s)


def test_runs_that_are_killed_end_in_the_same_rows(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in", count=12)
    run(videos, tmp_path / "whole")
    folder = tmp_path / "killed"
    for committed in (1, 4, 9):  # a little later each time, so that the kill hits other moments of a commit
        command = [sys.executable, __file__, str(tmp_path / "in"), str(folder)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert worker.stdout is not None
        for line in worker.stdout:
            if int(line) >= committed:
                break
        time.sleep(0.007 * committed)
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(timeout=60) == -signal.SIGKILL, "the worker was done before it could be killed"
        worker.stdout.close()
        there = rows(folder)
        assert len(there) >= committed
        assert there.items() <= rows(tmp_path / "whole").items()
    report = run(videos, folder)
    assert report.skipped >= 9
    assert rows(folder) == rows(tmp_path / "whole")
    store = Store.open(folder)
    store.compact()
    assert store._tables.frames.count_rows() == store.count().frames == 60


if __name__ == "__main__":
    slow = partial(read_text_video, slow_s=0.005)
    told = lambda progress: print(progress.done + progress.skipped, flush=True)  # noqa: E731
    encoder = StandInEncoder()
    store = open_store(Path(sys.argv[2]), encoder)
    index(sorted(Path(sys.argv[1]).glob("*.mp4")), store, encoder, read=slow, on_progress=told)
    os._exit(0)
