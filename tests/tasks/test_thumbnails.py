"""Thumbnails: JPEGs of the right frames."""

from pathlib import Path

import numpy as np
from PIL import Image

from vidskim.tasks.moment import Moment
from vidskim.tasks.search import Found
from vidskim.tasks.thumbnails import write_thumbnails
from vidskim.video.write import write_video


def make_video(path: Path) -> None:
    """A second of red, one of green, one of blue; 400 x 200."""
    colours = np.array([[220, 20, 20], [20, 220, 20], [20, 20, 220]], np.uint8)
    frames = (np.broadcast_to(colours[number // 10], (200, 400, 3)).copy() for number in range(30))
    write_video(path, frames, 10.0)


def found(path: Path, best_s: float) -> Found:
    return Found("id", str(path), path.name, Moment(best_s, best_s + 1, 0.5), best_s, 0.6)


def test_each_picture_is_a_small_jpeg_of_its_own_frame(tmp_path: Path) -> None:
    make_video(tmp_path / "my video.mp4")
    times = [2.5, 0.5, 1.5]
    results = [found(tmp_path / "my video.mp4", time_s) for time_s in times]
    pictures = write_thumbnails(results, tmp_path / "new" / "folder")
    paths = [picture.path for picture in pictures if picture.path is not None]
    assert [path.name for path in paths] == [
        "01-my_video-2.5s.jpg",
        "02-my_video-0.5s.jpg",
        "03-my_video-1.5s.jpg",
    ]
    for path, time_s in zip(paths, times, strict=True):
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (320, 160))
            colour = np.asarray(picture).reshape(-1, 3).mean(axis=0)
        assert int(colour.argmax()) == int(time_s)
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 3


def test_a_video_that_is_gone_says_so_and_stops_nothing(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4")
    gone, there = write_thumbnails(
        [found(tmp_path / "gone.mp4", 1.0), found(tmp_path / "a.mp4", 1.0)], tmp_path
    )
    assert gone.path is None
    assert "gone.mp4" in gone.problem
    assert there.path is not None
    assert there.problem == ""


def test_no_results_no_pictures(tmp_path: Path) -> None:
    assert write_thumbnails([], tmp_path / "none") == []
