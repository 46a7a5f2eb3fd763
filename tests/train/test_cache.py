"""Footage is prepared and encoded once; what changed is made again, what cannot be read is named and skipped."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from footage_files import write_footage, write_square

import vidskim
from vidskim.errors import SettingsError, TrainingError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.progress import Progress
from vidskim.train import cache
from vidskim.train.cache import CachedVideo, cache_footage


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return vidskim.load_model("demo", dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_footage(tmp_path_factory.mktemp("videos"), videos=2, frames=7)


def fill(
    folder: Path, videos: list[Path], encoder: VideoEncoder, *, fps: float = 3.0, mirrored: bool = True
) -> tuple[list[CachedVideo], list[Progress]]:
    told: list[Progress] = []
    cached = cache_footage(videos, folder, encoder, fps=fps, mirrored=mirrored, on_progress=told.append)
    return cached, told


def test_frames_are_the_models_and_features_the_full_encoders(
    tmp_path: Path, videos: list[Path], encoder: VideoEncoder
) -> None:
    cached, told = fill(tmp_path, videos, encoder)
    assert [video.name for video in cached] == ["v0.mp4", "v1.mp4"]
    assert [(progress.name, progress.outcome) for progress in told] == [
        ("v0.mp4", "done"),
        ("v1.mp4", "done"),
        ("x.mp4", "failed"),
    ]
    assert told[-1].message.startswith("cannot_open: ")
    clip = vidskim.read_video(videos[0], fps=3.0)
    prepared = encoder.prepare(clip)
    frames = cached[0].frames()
    assert isinstance(frames, np.memmap)
    assert frames.shape == (7, 112, 112, 3)
    again = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2) / 255.0
    mean, std = (torch.tensor(v)[:, None, None] for v in (encoder.preparation.mean, encoder.preparation.std))
    torch.testing.assert_close((again - mean) / std, prepared.pixels)
    features = cached[0].features()
    assert features.shape == (2, 7, encoder.dim)
    torch.testing.assert_close(features[0], encoder.encode(clip).vectors, atol=1e-5, rtol=0)
    mirrored = encoder.encode_pixels(prepared.pixels.flip(-1)).vectors
    torch.testing.assert_close(features[1], mirrored, atol=1e-5, rtol=0)
    assert np.array_equal(cached[0].times_s(), clip.times_s)


def test_what_is_there_is_not_made_again(tmp_path: Path, videos: list[Path], encoder: VideoEncoder) -> None:
    first, _ = fill(tmp_path, videos[:1], encoder)
    stamp = first[0].stem.with_suffix(".frames").stat().st_mtime_ns
    both, told = fill(tmp_path, videos, encoder)
    assert [progress.outcome for progress in told] == ["skipped", "done", "failed"]
    assert both[0] == first[0]
    assert first[0].stem.with_suffix(".frames").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("change", ["fps", "mirrored", "model", "video", "cut"])
def test_what_was_made_otherwise_is_made_again(tmp_path: Path, encoder: VideoEncoder, change: str) -> None:
    video = write_square(tmp_path / "a.mp4", frames=6, seed=0)
    (before,), _ = fill(tmp_path / "cache", [video], encoder)
    other, settings = encoder, {"fps": 3.0, "mirrored": True}
    if change == "fps":
        settings["fps"] = 1.0
    elif change == "mirrored":
        settings["mirrored"] = False
    elif change == "model":
        other = vidskim.load_model("demo", dtype="float32", device="cpu", image_size=64)
    elif change == "video":
        write_square(video, frames=5, seed=1)
    else:
        with before.stem.with_suffix(".frames").open("r+b") as file:
            file.truncate(100)
    (after,), told = fill(tmp_path / "cache", [video], other, **settings)  # type: ignore[arg-type]
    assert [progress.outcome for progress in told] == ["done"]
    assert (after.key == before.key) == (change == "cut")
    assert after.frames().shape[0] == after.features().shape[1] == len(after.times_s())
    assert after.features().shape[0] == (1 if change == "mirrored" else 2)


def test_a_cache_of_nothing_is_refused(tmp_path: Path, videos: list[Path], encoder: VideoEncoder) -> None:
    with pytest.raises(TrainingError, match="not one of 1 videos could be read"):
        fill(tmp_path, videos[-1:], encoder)
    with pytest.raises(SettingsError, match="fps must be above 0"):
        fill(tmp_path, videos, encoder, fps=0.0)


def test_a_full_disk_ends_the_run_and_blames_no_video(
    tmp_path: Path, videos: list[Path], encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, "writing", full)
    with pytest.raises(
        TrainingError, match=r"cannot write the cache in .*: No space left on device; finished"
    ):
        fill(tmp_path, videos, encoder)


def test_a_video_that_is_gone_is_named(tmp_path: Path, videos: list[Path], encoder: VideoEncoder) -> None:
    _, told = fill(tmp_path, [videos[0], videos[0].with_name("gone.mp4")], encoder)
    assert [(progress.name, progress.outcome) for progress in told] == [
        ("v0.mp4", "done"),
        ("gone.mp4", "failed"),
    ]
