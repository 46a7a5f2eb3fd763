"""VideoEncoder: one engine behind encode, encode_pixels and encode_stream."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidskim.errors import CheckpointError, SettingsError
from vidskim.methods.context import Context
from vidskim.models.text import TextTransformer
from vidskim.pipeline import engine
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.load import load_model
from vidskim.pipeline.stream import Block, Prepared
from vidskim.video.clip import Clip, Health

METHODS = ["full", "copy", "interpolate", "reuse"]


def pixels(frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(frames, 3, 32, 32, generator=generator) * 0.3).cumsum(0)


def clip(frames: int) -> Clip:
    rng = np.random.default_rng(0)
    return Clip(
        frames=rng.integers(0, 256, (frames, 40, 48, 3), dtype=np.uint8),
        times_s=np.arange(frames) / 3,
        motion=None,
        health=Health(strategy="straight"),
    )


@pytest.fixture(params=METHODS)
def encoder(clip_folder: Path, request: pytest.FixtureRequest) -> VideoEncoder:
    return load_model(clip_folder, method=request.param, dtype="float32", device="cpu")


def test_encode_is_prepare_and_encode_pixels(encoder: VideoEncoder) -> None:
    frames = clip(9)
    prepared = encoder.prepare(frames)
    features = encoder.encode(frames)
    same = encoder.encode_pixels(prepared.pixels, times_s=prepared.times_s)
    assert torch.equal(features.vectors, same.vectors)
    assert features.vectors.dtype == torch.float32
    assert features.times_s.tolist() == frames.times_s.tolist()
    assert features.kinds[0] == "I"
    assert features.fingerprint == encoder.fingerprint


def test_long_videos_are_cut_without_a_trace(encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, traced = encoder.encode_pixels(pixels(40), trace=True)
    monkeypatch.setattr(engine, "CPU_FRAMES", 6)
    cut, traced_cut = encoder.encode_pixels(pixels(40), trace=True)
    torch.testing.assert_close(cut.vectors, whole.vectors, atol=2e-6, rtol=0)
    assert cut.macs == whole.macs
    assert cut.kinds.tolist() == whole.kinds.tolist()
    assert torch.equal(traced_cut.frames, traced.frames)
    assert torch.equal(traced_cut.kept, traced.kept)


def test_recorded_keys_and_values_are_bounded(clip_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_model(clip_folder, method="reuse", dtype="float32", device="cpu")
    whole = encoder.encode_pixels(pixels(20))
    monkeypatch.setattr(engine, "CONTEXT_BYTES", 1)
    one_group_at_a_time = encoder.encode_pixels(pixels(20))
    torch.testing.assert_close(one_group_at_a_time.vectors, whole.vectors, atol=2e-6, rtol=0)
    assert one_group_at_a_time.macs == whole.macs


@pytest.mark.parametrize("block", [1, 4, 100])
def test_a_stream_of_videos_gives_each_its_own_features(encoder: VideoEncoder, block: int) -> None:
    videos = {"a": pixels(7, 1), "b": pixels(1, 2), "c": pixels(60, 3), "d": pixels(5, 4)}

    def blocks() -> Iterator[Block]:
        for name, frames in videos.items():
            for start in range(0, len(frames), block):
                part = frames[start : start + block]
                times = np.arange(start, start + len(part), dtype=np.float64)
                yield Block(name, Prepared(part, times, None), last=start + block >= len(frames))

    parts: dict[str, list[engine.Features]] = {}
    for name, features in encoder.encode_stream(blocks()):
        parts.setdefault(str(name), []).append(features)
    assert list(parts) == list(videos)
    for name, frames in videos.items():
        joined = engine.Features.concatenate(parts[name])
        alone = encoder.encode_pixels(frames)
        torch.testing.assert_close(joined.vectors, alone.vectors, atol=2e-6, rtol=0)
        assert joined.times_s.tolist() == list(range(len(frames)))
        assert joined.macs == alone.macs


def test_batches_fill_across_videos(clip_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    sizes = []
    encode = type(encoder.method).encode

    def spy(self: object, trunk: object, segments: list[engine.Segment]) -> object:
        sizes.append(sum(len(segment.pixels) for segment in segments))
        return encode(self, trunk, segments)

    monkeypatch.setattr(type(encoder.method), "encode", spy)
    times = np.arange(3, dtype=np.float64)
    stream = [Block(n, Prepared(pixels(3, n), times, None), last=True) for n in range(40)]
    assert sum(len(features) for _, features in encoder.encode_stream(stream)) == 120
    assert sizes == [48, 48, 24]


def test_text_vectors_are_normalised_and_tell_words_apart(clip_folder: Path) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    vectors = encoder.encode_text(["a dog", "a cat"])
    assert vectors.shape == (2, encoder.dim)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert float(vectors[0] @ vectors[1]) < 0.9999


def test_text_without_a_tower_or_tokenizer_says_what_to_do(clip_folder: Path) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    assert isinstance(encoder.text, TextTransformer)
    parts = {"preparation": encoder.preparation, "fingerprint": encoder.fingerprint}
    with pytest.raises(CheckpointError, match=r"tokenizer=PATH"):
        VideoEncoder(encoder.trunk, encoder.method, text=encoder.text, **parts).encode_text(["a"])
    with pytest.raises(CheckpointError, match="has no text tower"):
        VideoEncoder(encoder.trunk, encoder.method, **parts).encode_text(["a"])


def test_with_method_shares_the_weights(clip_folder: Path) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    reuse = encoder.with_method("reuse", keep=0.3)
    assert reuse.trunk is encoder.trunk
    assert reuse.fingerprint.differences(encoder.fingerprint)[0] == "method: reuse -> full"
    assert reuse.fingerprint.settings["keep"] == 0.3
    loaded = load_model(clip_folder, method="reuse", keep=0.3, dtype="float32", device="cpu")
    assert reuse.fingerprint == loaded.fingerprint
    assert torch.equal(reuse.encode_pixels(pixels(7)).vectors, loaded.encode_pixels(pixels(7)).vectors)


@pytest.mark.parametrize(
    ("frames", "motion", "message"),
    [
        (torch.zeros(2, 3, 16, 16), None, r"expected pixels \[t, 3, 32, 32\], received \[2, 3, 16, 16\]"),
        (torch.zeros(0, 3, 32, 32), None, "no frames"),
        (torch.zeros(2, 3, 32, 32), torch.zeros(2, 5, 5), r"\[t, 32, 32\] per pixel or \[t, 4, 4\]"),
        (torch.zeros(2, 3, 32, 32), torch.zeros(3, 4, 4), "motion of 2 frames"),
    ],
)
def test_wrong_shapes_are_named(
    clip_folder: Path, frames: torch.Tensor, motion: torch.Tensor | None, message: str
) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    with pytest.raises(ValueError, match=message):
        encoder.encode_pixels(frames, motion)


def test_reading_asks_for_what_the_method_and_the_scaler_need(clip_folder: Path) -> None:
    plain = load_model(clip_folder, dtype="float32", device="cpu")
    assert plain.reading == {"motion": False, "short_side": None}
    moving = load_model(
        clip_folder, method="reuse", select="motion", scaler="decoder", dtype="float32", device="cpu"
    )
    assert moving.reading == {"motion": True, "short_side": 32}
    assert moving.fingerprint.preparation["scaler"] == "decoder"
    assert plain.with_method("reuse", select="auto").reading["motion"] is False


def test_text_edge_cases(clip_folder: Path) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    assert encoder.encode_text([]).shape == (0, encoder.dim)
    with pytest.raises(SettingsError, match="received one string 'a dog'"):
        encoder.encode_text("a dog")


def test_results_can_be_used_in_a_loss(clip_folder: Path) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    weight = torch.ones(encoder.dim, requires_grad=True)
    times = np.arange(2, dtype=np.float64)
    ((_, streamed),) = encoder.encode_stream([Block("v", Prepared(pixels(2), times, None), last=True)])
    for vectors in (encoder.encode_text(["a"]), encoder.encode_pixels(pixels(2)).vectors, streamed.vectors):
        (vectors * weight).sum().backward()
    assert weight.grad is not None


def test_many_short_videos_stay_within_the_bound_on_recorded_keys(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_model(clip_folder, method="reuse", interleave=2, dtype="float32", device="cpu")
    each = 3 * 17 * 2 * 32 * 4
    monkeypatch.setattr(engine, "CONTEXT_BYTES", 6 * each)
    recorded = []

    class Spy(Context):
        def __init__(self, *arguments: Any, frames: int, **others: Any) -> None:
            recorded.append(frames)
            super().__init__(*arguments, frames=frames, **others)

    monkeypatch.setattr("vidskim.methods.anchors.Context", Spy)
    blocks = [Block(n, Prepared(pixels(3, n), np.arange(3.0), None), last=True) for n in range(20)]
    assert len(list(encoder.encode_stream(blocks))) == 20
    assert 2 <= max(recorded) <= 6


def test_motion_of_a_clip_counts_for_auto(clip_folder: Path) -> None:
    encoder = load_model(clip_folder, method="reuse", select="auto", dtype="float32", device="cpu")
    frames = clip(4)
    moving = Clip(frames.frames, frames.times_s, np.ones((4, 5, 6), np.float32), frames.health)
    assert encoder.prepare(moving).motion is not None
    assert encoder.with_method("full").prepare(moving).motion is None
    assert encoder.with_method("reuse", select="residuals").prepare(moving).motion is None


def test_signed_motion_is_asked_for_and_not_mixed_with_lengths(clip_folder: Path) -> None:
    signed = load_model(clip_folder, method="reuse", select="motion-signed", dtype="float32", device="cpu")
    assert signed.reading["motion"] == "signed"
    frames = clip(4)
    lengths = replace(frames, motion=np.ones((4, 5, 6), np.float32))
    assert signed.prepare(replace(lengths, signed=True)).motion is not None
    assert signed.prepare(frames).motion is None
    with pytest.raises(
        SettingsError, match=r"takes motion signed, this clip's is of lengths.*motion='signed'"
    ):
        signed.prepare(lengths)
    with pytest.raises(SettingsError, match=r"takes motion of lengths, this clip's is signed.*motion=True"):
        signed.with_method("reuse", select="motion").prepare(replace(lengths, signed=True))


@pytest.mark.parametrize("times", [[0.0, np.nan], [1.0, 0.0]])
def test_times_that_fall_are_refused(clip_folder: Path, times: list[float]) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    with pytest.raises(SettingsError, match="finite and never fall"):
        encoder.encode_pixels(pixels(2), times_s=np.array(times))


def test_bytes_are_not_taken_for_normalised_pixels(clip_folder: Path) -> None:
    encoder = load_model(clip_folder, dtype="float32", device="cpu")
    with pytest.raises(SettingsError, match=r"received torch.uint8; VideoEncoder.prepare"):
        encoder.encode_pixels(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
