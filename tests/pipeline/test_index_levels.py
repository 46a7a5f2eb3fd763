"""Indexing with vectors of segments and whole videos: beside frames, resumed, refused, killed.

Run as a script, it is a worker that is killed.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.pipeline.test_index import StandInEncoder, make_videos, open_store, read_text_video
from torch import Tensor

from vidskim.errors import FingerprintError, SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.index import IndexReport, index
from vidskim.pipeline.segments import Segmenter
from vidskim.pipeline.watch import Watch
from vidskim.store.dataset import Store
from vidskim.video.prepare import Preparation


@dataclass
class StandInRetrieval:
    """Two frames a video; a video's vector points where its mean shade says."""

    adapter: str = "a"
    frames, dim, preparation = 2, 6, Preparation()

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("stand-in", self.adapter, {}, "tempme")

    def plan(self) -> Any:
        return SimpleNamespace(macs=1000)

    def encode_video(self, pixels: Tensor) -> Tensor:
        angles = (pixels.mean(dim=(1, 2, 3, 4))[:, None] + 1) * torch.arange(1, self.dim + 1) / 50
        return torch.nn.functional.normalize(torch.cos(angles + 0.2), dim=1)


def segmenter(adapter: str = "a") -> Segmenter:
    model: Any = StandInRetrieval(adapter)
    return Segmenter(model, preparation=Preparation(), segment_s=0.7, origin={"source": "stand-in"})


def run(
    videos: list[Path], folder: Path, *, encoder: StandInEncoder | None = None, **options: Any
) -> IndexReport:
    encoder = encoder or StandInEncoder()
    given = {"read": read_text_video, "segmenter": segmenter(), **options}
    report = index(videos, open_store(folder, encoder), encoder, **given)
    assert report.done + report.failed + report.skipped == report.listed
    return report


def rows(folder: Path) -> dict[str, Any]:
    """The vectors of segments and wholes in a store, by path, as plain values."""
    store = Store.open(folder)
    assert store.levels is not None
    found = {}
    for video in store.videos():
        held = store.levels.of(video.id)
        assert held is not None
        assert len(held) == video.segments
        found[video.path] = (
            held.segments.tolist(),
            held.start_s.tolist(),
            held.end_s.tolist(),
            held.whole.tolist(),
        )
    return found


def test_segments_and_wholes_lie_beside_the_frames(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in")
    report = run(videos, tmp_path / "store")
    assert (report.done, report.frames, report.segments) == (4, 20, 8)
    assert report.macs == 200 + 12_000
    segments, start_s, end_s, whole = rows(tmp_path / "store")[str(videos[1])]
    assert start_s == pytest.approx([0, 1])  # three frames of a third of a second, and two
    assert end_s == pytest.approx([1, 5 / 3])
    shades = torch.tensor([7.0 + 0.5 * (0 + 2), 7.0 + 0.5 * (3 + 4), 7.0 + 0.5 * (0 + 4)])
    expected = StandInRetrieval().encode_video(shades[:, None, None, None, None]).numpy()
    np.testing.assert_allclose([*segments, whole], expected, atol=1e-6)
    store = Store.open(tmp_path / "store")
    assert store.videos()[1].notes["macs"] == 50 + 3000
    assert store.levels is not None
    assert store.levels.about.origin == {"source": "stand-in", "segment_s": 0.7}


def test_what_has_them_is_skipped_and_what_lacks_them_is_encoded_again(tmp_path: Path) -> None:
    videos, folder = make_videos(tmp_path / "in"), tmp_path / "store"
    encoder = StandInEncoder()
    index(videos[:3], open_store(folder, encoder), encoder, read=read_text_video)
    assert run(videos[:2], folder).done == 2
    again = StandInEncoder()
    report = run(videos, folder, encoder=again)
    assert (report.skipped, report.done, again.encoded) == (2, 2, ["v02.mp4", "v03.mp4"])
    run(videos, tmp_path / "whole")
    assert rows(folder) == rows(tmp_path / "whole")


def test_a_store_that_keeps_them_is_never_left_without(tmp_path: Path) -> None:
    videos, folder = make_videos(tmp_path / "in"), tmp_path / "store"
    run(videos[:2], folder)
    with pytest.raises(SettingsError, match=r"keeps vectors of segments .* segmenter=load_segmenter_of"):
        run(videos, folder, segmenter=None)
    watch = Watch(
        tmp_path / "in",
        Store.open(folder),
        StandInEncoder(),
        segmenter(),
        settle_s=0,
        read=read_text_video,
    )
    report = watch.look().report
    assert report is not None
    assert (report.done, report.segments) == (2, 4)


def test_another_adapter_is_refused_before_any_work(tmp_path: Path) -> None:
    videos, folder = make_videos(tmp_path / "in"), tmp_path / "store"
    run(videos[:2], folder)
    before, encoder = rows(folder), StandInEncoder()
    with pytest.raises(
        FingerprintError, match=r"(?s)another retrieval model, adapter or plan:\n  weights: a -> b"
    ):
        run(videos, folder, encoder=encoder, segmenter=segmenter("b"))
    assert encoder.encoded == []
    assert rows(folder) == before


def test_a_bad_video_fails_alone(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in", bad="no video", nan={"frames": 2, "shade": 254})
    report = run(videos, tmp_path / "store")
    assert (report.done, report.failed) == (4, 2)
    assert len(rows(tmp_path / "store")) == 4


def test_runs_that_are_killed_end_in_the_same_rows(tmp_path: Path) -> None:
    videos = make_videos(tmp_path / "in", count=12)
    run(videos, tmp_path / "whole")
    folder = tmp_path / "killed"
    for committed in (1, 4, 9):
        command = [
            sys.executable,
            "-m",
            "tests.pipeline.test_index_levels",
            str(tmp_path / "in"),
            str(folder),
        ]
        worker = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
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
    assert run(videos, folder).skipped >= 9
    assert rows(folder) == rows(tmp_path / "whole")
    store = Store.open(folder)
    store.compact()
    assert [table.count_rows() for table in store._tables.vectors] == [60, 24, 12]


if __name__ == "__main__":
    slow = partial(read_text_video, slow_s=0.005)
    told = lambda progress: print(progress.done + progress.skipped, flush=True)  # noqa: E731
    encoder = StandInEncoder()
    index(
        sorted(Path(sys.argv[1]).glob("*.mp4")),
        open_store(Path(sys.argv[2]), encoder),
        encoder,
        segmenter=segmenter(),
        read=slow,
        on_progress=told,
    )
    os._exit(0)
