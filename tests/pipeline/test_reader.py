"""The reading thread keeps no more frames alive than it must."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from vidskim.pipeline.reader import Reader
from vidskim.pipeline.sources import Source
from vidskim.pipeline.stages import StageTimes
from vidskim.pipeline.stream import Prepared
from vidskim.video.clip import Clip, Health


class Shrinker:
    def prepare(self, clip: Clip) -> Prepared:
        return Prepared(torch.zeros(len(clip.times_s), 3, 1, 1), clip.times_s, None)


def test_a_clip_is_let_go_before_the_next_is_decoded(tmp_path: Path) -> None:
    given: list[weakref.ref[Clip]] = []
    alive: list[int] = []

    def make() -> Clip:
        clip = Clip(np.zeros((2, 4, 4, 3), np.uint8), np.array([0.0, 1.0]), None, Health(strategy="straight"))
        given.append(weakref.ref(clip))
        return clip

    def read(path: Path) -> Iterator[Clip]:
        for _ in range(4):
            alive.append(sum(clip() is not None for clip in given))
            yield make()

    (tmp_path / "x.mp4").write_text("x")
    sources = [Source(tmp_path / "x.mp4", "x.mp4")]
    with Reader(sources, read=read, encoder=Shrinker(), times=StageTimes()) as reader:
        items = list(reader)
    assert alive == [0, 0, 0, 0]
    assert [item.block.last for item in items if item.block] == [False, False, False, True]
