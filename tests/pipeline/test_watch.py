"""A folder kept indexed: what comes, changes, moves and goes."""

import json
import os
from pathlib import Path

import pytest
from tests.pipeline.test_index import StandInEncoder, read_text_video

from vidskim.errors import SettingsError
from vidskim.pipeline.watch import Watch
from vidskim.store.dataset import Store


class Clock:
    """Stands still until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(tmp_path: Path, clock: Clock) -> Watch:
    (tmp_path / "clips").mkdir()
    encoder = StandInEncoder()
    store = Store.create(tmp_path / "store", fingerprint=encoder.fingerprint, dimensions=8)
    return Watch(tmp_path / "clips", store, encoder, fps=1.0, settle_s=2.0, clock=clock, read=read_text_video)


def film(path: Path, *, frames: int = 2, shade: int = 10) -> Path:
    """A "video" as the stand-in reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"frames": frames, "shade": shade}))
    return path


def names(watch: Watch) -> dict[str, int]:
    """Frames of each stored video, by name."""
    return {video.name: video.frames for video in watch.store.videos()}


def settle(watch: Watch, clock: Clock) -> None:
    """Long enough for all that is there now to count."""
    watch.look()
    clock.now_s += 2.0


def test_a_new_file_is_indexed_once_it_is_whole(watch: Watch, clock: Clock) -> None:
    path = film(watch.folder / "day" / "a.mp4")
    assert (watch.look().report, watch.look().waiting) == (None, 1)
    clock.now_s = 1.5
    film(path, frames=3)  # still being copied
    assert watch.look().report is None
    clock.now_s = 3.0
    assert watch.look().waiting == 1
    clock.now_s = 3.5
    look = watch.look()
    assert look.report is not None
    assert (look.report.done, names(watch)) == (1, {"a.mp4": 3})
    assert watch.look().is_quiet


def test_a_changed_file_is_indexed_again(watch: Watch, clock: Clock) -> None:
    path = film(watch.folder / "a.mp4")
    settle(watch, clock)
    watch.look()
    film(path, frames=5)
    os.utime(path, ns=(1, 1))
    settle(watch, clock)
    assert watch.look().report is not None
    assert names(watch) == {"a.mp4": 5}


def test_a_moved_file_keeps_its_vectors(watch: Watch, clock: Clock) -> None:
    path = film(watch.folder / "a.mp4")
    settle(watch, clock)
    watch.look()
    before = watch.store.videos()[0]
    path.rename(watch.folder / "b.mp4")
    settle(watch, clock)
    look = watch.look()
    assert look.report is not None
    assert (look.report.moved, look.report.done, look.removed) == (1, 0, ())
    after = watch.store.videos()[0]
    assert (after.id, after.entry, after.name) == (before.id, before.entry, "b.mp4")


def test_a_removed_file_is_forgotten_after_a_while(watch: Watch, clock: Clock) -> None:
    path, other = film(watch.folder / "a.mp4"), film(watch.folder / "b.mp4", shade=20)
    settle(watch, clock)
    watch.look()
    path.unlink()
    look = watch.look()
    assert (look.removed, look.waiting, len(names(watch))) == ((), 1, 2)
    clock.now_s += 2.0
    assert watch.look().removed == (str(path),)
    assert names(watch) == {other.name: 2}


def test_a_file_that_comes_back_is_not_forgotten(watch: Watch, clock: Clock) -> None:
    path = film(watch.folder / "a.mp4")
    film(watch.folder / "b.mp4", shade=20)
    settle(watch, clock)
    watch.look()
    path.rename(path.with_suffix(".away"))
    watch.look()
    path.with_suffix(".away").rename(path)
    watch.look()
    path.rename(path.with_suffix(".away"))
    clock.now_s += 1.9
    watch.look()
    clock.now_s += 1.9
    assert watch.look().removed == ()
    assert len(names(watch)) == 2


@pytest.mark.parametrize("away", ["missing", "empty"])
def test_nothing_is_forgotten_while_the_folder_is_away(watch: Watch, clock: Clock, away: str) -> None:
    film(watch.folder / "a.mp4")
    settle(watch, clock)
    watch.look()
    watch.folder.rename(watch.folder.with_name("unmounted"))
    if away == "empty":
        watch.folder.mkdir()
    for _ in range(3):
        assert watch.look().is_away
        clock.now_s += 100.0
    assert names(watch) == {"a.mp4": 2}


def test_a_bad_file_is_not_tried_again_until_it_changes(watch: Watch, clock: Clock) -> None:
    path = watch.folder / "a.mp4"
    path.write_text("broken")
    settle(watch, clock)
    look = watch.look()
    assert look.report is not None
    assert [failure.kind for failure in look.report.failures] == ["cannot_open"]
    assert watch.look().is_quiet
    film(path)
    settle(watch, clock)
    watch.look()
    assert names(watch) == {"a.mp4": 2}


def test_what_lies_elsewhere_is_not_touched(watch: Watch, clock: Clock, tmp_path: Path) -> None:
    elsewhere = film(tmp_path / "elsewhere" / "c.mp4")
    other = Watch(elsewhere.parent, watch.store, watch.encoder, fps=1.0, clock=clock, read=read_text_video)
    settle(other, clock)
    other.look()
    elsewhere.unlink()
    film(watch.folder / "a.mp4", shade=20)
    settle(watch, clock)
    watch.look()
    assert set(names(watch)) == {"a.mp4", "c.mp4"}


def test_settings(watch: Watch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        Watch(tmp_path / "nowhere", watch.store, watch.encoder)
    with pytest.raises(SettingsError, match="settle_s must be 0 or more seconds, received -1"):
        Watch(tmp_path, watch.store, watch.encoder, settle_s=-1)
