"""Encoders beside each other on the same frames."""

import pytest
import torch

from vidskim.evaluate.fidelity import compare
from vidskim.evaluate.observe import observe
from vidskim.evaluate.sample import Excerpt, read_excerpt
from vidskim.models.cost import vit_macs
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.sources import Source
from vidskim.video.read import read_video


@pytest.fixture(scope="module")
def encoders(demo: VideoEncoder) -> list[VideoEncoder]:
    return [demo, *(demo.with_method(name, interleave=3) for name in ("copy", "interpolate", "reuse"))]


def test_a_whole_video_is_compared_as_fidelity_does(
    encoders: list[VideoEncoder], clips: list[Source]
) -> None:
    words = encoders[0].encode_text(["a red star", "a blue ring"])
    excerpt = read_excerpt(clips[0].path, encoders[0], fps=6.0, most=40)
    runs: list[int] = []
    observed = observe(encoders, excerpt, rounds=2, words=words, on_run=runs.append)
    assert runs == list(range(1, 10))
    clip = read_video(clips[0].path, fps=6.0)
    full = encoders[0].encode(clip)
    for encoder, one in zip(encoders, observed, strict=True):
        features = encoder.encode(clip)
        expected = compare(full, features)
        assert one.macs / observed[0].macs == pytest.approx(expected.share)
        assert one.cosines.mean() == pytest.approx(expected.cosine, abs=1e-5)
        assert one.scores == pytest.approx((features.vectors @ words.T).numpy(), abs=1e-5)
        assert one.seconds > 0
        assert len(one.time_shares) == (3 if encoder is encoders[0] else 2)
        assert min(one.time_shares) > 0


def test_the_frame_that_closes_a_stretch_counts_for_nothing_where_the_video_goes_on(
    encoders: list[VideoEncoder], clips: list[Source]
) -> None:
    frames = read_excerpt(clips[0].path, encoders[0], fps=6.0, most=40).stretches[0]
    excerpt = Excerpt([frames.slice(0, 13), frames.slice(20, 33)], goes_on=True)
    observed = observe(encoders, excerpt, rounds=1, words=torch.empty(0, encoders[0].dim))
    frame = vit_macs(encoders[0].trunk.config)
    # as in an endless video: one I-frame in four
    assert [one.macs / frame for one in observed[:3]] == [24, 6, 6]
    assert all(len(one.cosines) == 24 and one.scores.shape == (24, 0) for one in observed)
    assert observed[1].cosines[::4] == pytest.approx(1, abs=1e-5)
    assert observed[1].cosines.min() < 0.999


def test_a_planned_stretch_costs_its_budget_where_the_video_goes_on(
    demo: VideoEncoder, clips: list[Source]
) -> None:
    frames = read_excerpt(clips[1].path, demo, fps=6.0, most=46).stretches[0]
    encoders = [demo, demo.with_method("reuse", budget=0.5)]
    words = torch.empty(0, demo.dim)
    whole, cut = (
        observe(encoders, Excerpt([frames], goes_on=goes_on), rounds=1, words=words)
        for goes_on in (False, True)
    )
    assert (len(whole[1].cosines), len(cut[1].cosines)) == (46, 45)
    # its last frame is left out with its part of the cost, so the share is that of the whole
    assert cut[1].macs / cut[0].macs == pytest.approx(whole[1].macs / whole[0].macs, rel=1e-6)
    assert whole[1].macs / whole[0].macs <= 0.5
