"""Validation measures what inference does, beside baselines, on what was held out."""

import numpy as np
import pytest
import torch

import vidskim
from vidskim.evaluate.fidelity import compare
from vidskim.methods.residual import ResidualTokenizer
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.train import validation
from vidskim.train.ranges import Ranges
from vidskim.train.validation import HeldOut, Validation, held_out_scenes
from vidskim.video.prepare import normalise


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return vidskim.load_model("demo", dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def clips() -> list[HeldOut]:
    return held_out_scenes(image=112, fps=3.0)[:3]


@pytest.fixture(scope="module")
def tokenizer(encoder: VideoEncoder) -> ResidualTokenizer:
    config = encoder.trunk.config
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ResidualTokenizer(dim=config.dim, width=config.width).requires_grad_(False)


def test_numbers_are_those_of_the_methods_themselves(
    encoder: VideoEncoder, clips: list[HeldOut], tokenizer: ResidualTokenizer
) -> None:
    numbers = Validation(clips, encoder=encoder, ranges=Ranges()).between(tokenizer)
    assert set(numbers) == {
        "cosine",
        "cosine_random",
        "cosine_no_token",
        "cosine_copy",
        "cosine_interpolate",
    }
    for name, method, settings in (
        ("cosine", "residual", {"keep": 0.15, "select": "difference"}),
        ("cosine_random", "residual", {"keep": 0.15, "select": "random"}),
        ("cosine_no_token", "residual", {"keep": 0.15, "select": "difference", "token": False}),
        ("cosine_interpolate", "interpolate", {}),
    ):
        variant = encoder.with_method(method, tokenizer=tokenizer, interleave=2, **settings)  # type: ignore[arg-type]
        values = []
        for clip in clips:
            pixels = normalise(clip.frames, encoder.preparation)
            full, own = (each.encode_pixels(pixels, times_s=clip.times_s) for each in (encoder, variant))
            values.append(compare(full, own).between)
        assert numbers[name] == pytest.approx(np.mean(values), abs=1e-6)


def test_the_setting_follows_what_is_trained_for(encoder: VideoEncoder, clips: list[HeldOut]) -> None:
    made = Validation(clips[:1], encoder=encoder, ranges=Ranges((3, 4), (0.2, 0.4)))
    assert (made.interleave, made.keep) == (3, 0.2)


def test_the_report_compares_at_equal_total_cost(
    encoder: VideoEncoder, clips: list[HeldOut], tokenizer: ResidualTokenizer
) -> None:
    report = Validation(clips[:2], encoder=encoder, ranges=Ranges((1, 2), (0.1, 0.15))).report(tokenizer)
    assert set(report["equal_cost"]) == {"0.35", "0.45", "0.5"}
    row = report["equal_cost"]["0.5"]
    assert set(row) == {"residual", "copy", "interpolate"}
    # of 9 frames copy encodes 3 at N=3 (and N=2) and 5 at N=1
    share = (0.5 - 3 / 9) / (5 / 9 - 3 / 9)
    cosines = []
    for n in (3, 1):
        copied = encoder.with_method("copy", interleave=n)
        values = [
            compare(
                *(each.encode_pixels(normalise(c.frames, encoder.preparation)) for each in (encoder, copied))
            )
            for c in clips[:2]
        ]
        cosines.append(np.mean([value.cosine for value in values]))
    assert row["copy"]["cosine"] == pytest.approx((1 - share) * cosines[0] + share * cosines[1], abs=1e-5)
    assert row["residual"]["curve"] in ("N=1, keep", "N=2, keep")
    assert report["equal_cost"]["0.35"]["residual"] == {"curve": None, "cosine": None}  # never that cheap


def test_long_clips_are_cut(encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "MOST_FRAMES", 32)
    clips = [HeldOut(name, np.zeros((20, 112, 112, 3), np.uint8), np.arange(20.0)) for name in "ab"]
    assert [
        len(clip.frames) for clip in Validation(clips, encoder=encoder, ranges=Ranges()).clips.values()
    ] == [16, 16]
