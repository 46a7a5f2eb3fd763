"""What became of the patches of a video's frames under TempMe."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vidskim.errors import NoFramesError
from vidskim.pipeline.load import load_model
from vidskim.pipeline.retrieval import RetrievalEncoder
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.tasks.clip_picture import draw_clip
from vidskim.tasks.explain_video import explain_video
from vidskim.tasks.patch_state import COMPUTED, MERGED
from vidskim.video.spread import read_spread
from vidskim.video.write import write_video

PLAN = {"frames": 4, "joins": {3: 2, 4: 2}, "r": 4, "across": 0.3, "within": 0.1}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    frames = render_video(draw_script("test", seed=0, number=0), fps=6.0, height=96, width=128)
    write_video(path, (frame for _, frame in zip(range(24), frames, strict=False)), 6.0)
    return path


def model(**settings: object) -> RetrievalEncoder:
    made = load_model("demo", method="tempme", dtype="float32", **{"plan": PLAN, **settings})
    assert isinstance(made, RetrievalEncoder)
    return made


def test_tokens_are_those_of_the_plan(video: Path) -> None:
    ret = model()
    found = explain_video(video, ret)
    blocks = ret.plan().blocks
    assert [stage.name for stage in found.stages] == [
        "block 2",
        "block 3, joins 2",
        "block 4, joins 2",
        "block 5",
    ]
    assert [stage.groups for stage in found.stages] == [4, 2, 1, 1]
    patches = [block.clips * (block.leaving - block.frames) for block in blocks[2:]]
    assert [stage.left for stage in found.stages] == patches
    assert found.stages[0].fates.shape == (4, 7, 7)
    for stage in found.stages:
        assert ((stage.slots >= 0) == (stage.fates == MERGED)).all()
    alone = [set(np.unique(slots[slots >= 0])) for slots in found.stages[0].slots]
    assert not set.intersection(*alone)  # before the first join no token is of two frames
    assert found.times_s.tolist() == read_spread(video, 4).times_s.tolist()
    assert found.pictures.shape == (4, 112, 112, 3)
    assert found.share == ret.plan().macs / ret.plan().full_macs
    assert found.summary().startswith(f"{patches[-1]} of 196 patch tokens left at the end, ")
    assert found.method == "tempme, 4 frames, joins 2 2, split place"
    document = found.to_json()
    assert document["plan"] == ret.plan().to_json()["plan"]
    assert len(document["blocks"]) == 6


def test_what_merges_stays_together(video: Path) -> None:
    """Patches that are one token after a block are one after every later block."""
    stages = explain_video(video, model(split="clip")).stages
    for before, after in pairwise(stages):
        for number in np.unique(before.slots[before.slots >= 0]):
            assert len(np.unique(after.slots[before.slots == number])) == 1


def test_the_largest_token_is_told(video: Path) -> None:
    found = explain_video(video, model(split="clip"))
    places = found.stages[-1].slots
    numbers, counts = np.unique(places[places >= 0], return_counts=True)
    largest = numbers[counts.argmax()]
    frames = (places == largest).any(axis=(1, 2)).sum()
    assert found.verdict() == f"the largest token holds {counts.max()} patches of {frames} frames"
    assert draw_clip(found, [0, 2], title="").height > 500


def test_without_merging_nothing_is(video: Path) -> None:
    found = explain_video(video, model(merge=False))
    assert all((stage.fates == COMPUTED).all() for stage in found.stages)
    assert found.verdict() == "nothing is merged"
    assert [stage.left for stage in found.stages] == [196] * 4


def test_a_part_of_the_video(video: Path) -> None:
    found = explain_video(video, model(), start_s=1.0, length_s=1.0)
    assert found.times_s.min() >= 1.0
    assert found.times_s.max() < 2.0
    with pytest.raises(NoFramesError, match="no frame from 9 s"):
        explain_video(video, model(), start_s=9.0)
