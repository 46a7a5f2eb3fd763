"""Groups cut from footage: neighbouring frames with their features, videos held out whole."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from footage_files import write_footage

import vidskim
from vidskim.errors import SettingsError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.train.cache import CachedVideo, cache_footage
from vidskim.train.footage import FootageGroups, Run, open_footage, split_footage
from vidskim.train.ranges import Ranges
from vidskim.train.recipe import Distillation


def named(name: str, count: int = 10) -> CachedVideo:
    return CachedVideo(name, Path(name), count, 8, "key")


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return vidskim.load_model("demo", dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("footage")
    write_footage(path / "videos", videos=3, frames=9)
    return path


@pytest.fixture(scope="module")
def cached(folder: Path, encoder: VideoEncoder) -> list[CachedVideo]:
    videos = sorted((folder / "videos").glob("v*.mp4"))
    return cache_footage(videos, folder / "cache", encoder, fps=3.0, mirrored=True)


def groups(runs: list[Run], **changes: object) -> FootageGroups:
    settings: dict[str, object] = {"ranges": Ranges((2, 2), (0.15, 0.15)), "grid": 7, "batch": 40, **changes}
    return FootageGroups(runs=tuple(runs), **settings)  # type: ignore[arg-type]


def test_whole_videos_are_held_out_by_their_names() -> None:
    videos = [named(f"v{number}.mp4") for number in range(10)]
    train, rest = split_footage(videos, held_out=0.2)
    assert (len(train), len(rest)) == (8, 2)
    assert {run.video.name for run in train}.isdisjoint(run.video.name for run in rest)
    assert all(len(run) == 10 for run in train + rest)
    again, _ = split_footage(videos[::-1], held_out=0.2)
    assert {run.video.name for run in again} == {run.video.name for run in train}
    assert len(split_footage(videos[:2], held_out=0.01)[1]) == 1
    assert len(split_footage(videos[:2], held_out=0.99)[0]) == 1


def test_videos_of_a_single_frame_are_left_out() -> None:
    stills = [named(f"s{number}.mp4", 1) for number in range(5)]
    train, rest = split_footage([*stills, named("a"), named("b")], held_out=0.5)
    assert {run.video.name for run in train + rest} == {"a", "b"}
    train, rest = split_footage([*stills, named("a", 20)], held_out=0.25)
    assert [(run.first, run.stop) for run in train + rest] == [(0, 15), (15, 20)]


def test_of_a_single_video_the_last_part_is_held_out() -> None:
    train, rest = split_footage([named("a", 20)], held_out=0.25)
    assert [(run.first, run.stop) for run in train + rest] == [(0, 15), (15, 20)]
    with pytest.raises(SettingsError, match="a has only 3 frames"):
        split_footage([named("a", 3)], held_out=0.25)
    with pytest.raises(SettingsError, match="must lie between 0 and 1, received 1"):
        split_footage([named("a")], held_out=1)


def test_a_group_is_consecutive_frames_with_their_features(cached: list[CachedVideo]) -> None:
    batch = groups([Run(cached[0], 2, 7)])[3]
    assert batch["frames"].shape == (40, 3, 112, 112, 3)
    assert batch["kept"].shape == (40, 2, 7)
    frames, features = cached[0].frames(), cached[0].features()
    seen = set()
    for own, vectors in zip(batch["frames"].numpy(), batch["features"], strict=True):
        found = [
            (view, first)
            for view, shown in enumerate((frames, frames[:, :, ::-1]))
            for first in range(2, 5)
            if np.array_equal(shown[first : first + 3], own)
        ]
        assert len(found) == 1
        view, first = found[0]
        assert torch.equal(vectors, features[view, first : first + 3])
        seen.add((view, first))
    assert seen == {(view, first) for view in (0, 1) for first in (2, 3, 4)}


def test_batches_depend_on_their_number_alone_and_survive_pickling(cached: list[CachedVideo]) -> None:
    source = groups([Run(video, 0, 9) for video in cached], batch=4)
    first = source[5]
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 4000  # no features travel
    for name, value in copy[5].items():
        assert torch.equal(value, first[name])
    assert not torch.equal(source[6]["frames"], first["frames"])


def test_captions_travel_with_their_videos(cached: list[CachedVideo]) -> None:
    texts = {video.name: torch.full((2, 3), float(number)) for number, video in enumerate(cached)}
    batch = groups([Run(video, 0, 9) for video in cached], texts=texts)[0]
    assert batch["texts"].shape == (40, 3)
    marks = batch["texts"][:, 0]
    assert set(marks.tolist()) == {0.0, 1.0, 2.0}
    for number, video in enumerate(cached):
        own = batch["features"][marks == number].flatten(0, 1)
        everything = video.features().flatten(0, 1)
        assert (own[:, None] == everything[None]).all(dim=-1).any(dim=1).all()


def test_a_digest_tells_footage_and_captions_apart(cached: list[CachedVideo]) -> None:
    runs = [Run(video, 0, 9) for video in cached]
    plain = groups(runs).digest()
    assert plain == groups(runs, batch=3).digest()
    assert plain != groups(runs[:2]).digest()
    assert plain != groups(runs, texts={video.name: torch.ones(1, 3) for video in cached}).digest()


def test_groups_longer_than_all_videos_are_refused(cached: list[CachedVideo]) -> None:
    with pytest.raises(SettingsError, match=r"a group of 9 P-frames needs 10 frames .* the longest has 9"):
        groups([Run(cached[0], 0, 9)], ranges=Ranges((1, 9)))


def test_videos_without_a_caption_are_left_out(folder: Path, encoder: VideoEncoder) -> None:
    stream = {"ranges": Ranges((1, 2)), "grid": 7, "batch": 2}
    for number in (0, 2):
        (folder / f"videos/v{number}.txt").write_text("a red star\n")
    what = Distillation(model="demo", depth=1, batch=2, loss="ce", videos=[folder / "videos"], held_out=0.5)
    source, rest = open_footage(what, folder / "cache", encoder=encoder, stream=stream)
    assert {run.video.name for run in [*source.runs, *rest]} == {"v0.mp4", "v2.mp4"}
    assert (folder / "cache/captions.safetensors").is_file()
    table = folder / "none.csv"
    table.write_text("video,caption\nelse.mp4,a star\n")
    nothing = Distillation(
        model="demo", depth=1, batch=2, loss="ce", videos=[folder / "videos"], captions=table
    )
    with pytest.raises(
        SettingsError, match=r"not one of 4 videos has a caption; looked in .*none.csv for names"
    ):
        open_footage(nothing, folder / "cache", encoder=encoder, stream=stream)
