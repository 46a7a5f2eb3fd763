"""Who takes part: names, settings, frames, and vectors that are what the models give."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from vidskim.errors import SettingsError
from vidskim.evaluate.contenders import Contender, count_frames, line_up
from vidskim.models.cost import vit_macs
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.load import load_model

PLAN = {"frames": 4, "joins": {3: 2, 4: 2}, "r": 4, "across": 0.3, "within": 0.1}


def test_the_frames_alone_come_first_and_none_twice(demo: VideoEncoder) -> None:
    found = line_up(
        demo,
        ("tempme", "full", "merge", "tempme"),
        settings={"plan": (PLAN,), "merge": (True, False), "r": (4,)},
        adapter="a",
    )
    assert [one.name for one in found] == ["full", "tempme merge=True", "merge", "tempme merge=False"]
    assert [one.frames for one in found] == [None, 4, None, 4]
    assert {one.adapter for one in found} == {"a"}
    assert found[3].model.fingerprint.settings["plan"]["r"] == 0  # type: ignore[index]
    assert line_up(demo, ())[0].model is demo


@pytest.mark.parametrize(
    ("methods", "settings", "message"),
    [
        (("tempm",), {}, "unknown method 'tempm'"),
        (("tempme",), {}, "no plan is published for models of 6 blocks and patches of 16 pixels"),
        (("full",), {"r": (1,)}, "method='full' has no setting 'r'"),
        (("tempme",), {"plan": (PLAN,), "splits": ("clip",)}, "unknown setting of method='tempme', 'splits'"),
    ],
)
def test_what_does_not_fit_is_named(
    demo: VideoEncoder, methods: tuple[str, ...], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        line_up(demo, methods, settings=settings)


def test_vectors_are_the_models(demo: VideoEncoder, generator: torch.Generator) -> None:
    pixels = torch.randn(4, 3, 112, 112, generator=generator)
    full, joined = line_up(demo, settings={"plan": (PLAN,)})
    video = full.encode(pixels)
    mean = demo.encode_pixels(pixels).vectors.mean(dim=0)
    torch.testing.assert_close(video.vector, mean / mean.norm())
    assert video.macs == 4 * vit_macs(demo.trunk.config)
    ret = load_model("demo", method="tempme", plan=PLAN, dtype="float32")
    assert torch.equal(joined.encode(pixels).vector, ret.encode_video(pixels[None])[0])
    assert joined.encode(pixels).macs == ret.plan().macs


def test_all_see_the_same_frames(demo: VideoEncoder) -> None:
    other = {"frames": 8, "joins": {3: 8}}
    four, eight = (line_up(demo, settings={"plan": (plan,)})[1] for plan in (PLAN, other))
    full = line_up(demo, ())
    assert [count_frames(full), count_frames(full, 5), count_frames([*full, four])] == [12, 5, 4]
    with pytest.raises(SettingsError, match=r"the same frames, and plans are of \[4, 8\]"):
        count_frames([four, eight])
    with pytest.raises(
        SettingsError,
        match="plan is of 4 frames and 6 are asked for; give a plan of so many",
    ):
        count_frames([four], 6)
    with pytest.raises(SettingsError, match="give one contender or more"):
        count_frames([])
    otherwise = load_model("demo", dtype="float32")
    otherwise.preparation = replace(demo.preparation, scaler="decoder")
    with pytest.raises(SettingsError, match="on the same pixels"):
        count_frames([*full, Contender("full", otherwise)])
