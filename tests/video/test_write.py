"""Writing: what is written is read back, whole or not at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.video.read import probe, read_video
from vidskim.video.write import write_video

Make = Callable[..., np.ndarray]
Numbers = Callable[[np.ndarray], list[int]]


def test_what_is_written_is_read_back(numbered: Make, numbers: Numbers, tmp_path: Path) -> None:
    frames = numbered(30)
    path = tmp_path / "a.mp4"
    write_video(path, iter(frames), 12.5, options={"crf": "10"})
    clip = read_video(path)
    assert numbers(clip.frames) == list(range(30))
    assert clip.times_s == pytest.approx(np.arange(30) / 12.5)
    assert np.abs(clip.frames.astype(float) - frames).mean() < 3
    info = probe(path)
    assert (info.codec, info.frame_rate) == ("h264", 12.5)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (20, 90, 250)])
def test_colours_survive(colour: tuple[int, int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    frames = np.broadcast_to(np.array(colour, np.uint8), (3, 64, 64, 3))
    write_video(path, frames, 25, options={"crf": "1"})
    read = read_video(path).frames.astype(int)
    assert np.abs(read - colour).max() <= 4


def test_equal_frames_give_equal_bytes(numbered: Make, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, numbered(12), 25.0)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_odd_sizes_are_kept(numbered: Make, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(3, 97, 131), 25)
    assert read_video(tmp_path / "a.mp4").frames.shape == (3, 97, 131, 3)


def test_a_key_frame_every_gop(numbered: Make, numbers: Numbers, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(60), 25, gop=10, options={"sc_threshold": "0"})
    clip = read_video(tmp_path / "a.mp4", times_s=[2.0])
    assert numbers(clip.frames) == [50]
    assert clip.health.packets_decoded == 1


def test_a_failure_leaves_nothing_and_keeps_the_old_file(numbered: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, numbered(3), 25)
    old = path.read_bytes()

    def failing() -> Iterator[np.ndarray]:
        yield from numbered(3)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_video(path, failing(), 25)
    with pytest.raises(
        SettingsError, match=r"frame 1 must be uint8 \[96, 128, 3\], received uint8 \[96, 120, 3\]"
    ):
        write_video(path, [*numbered(1), *numbered(1)[:, :, :120]], 25)
    with pytest.raises(SettingsError, match="one frame or more, received none"):
        write_video(path, [], 25)
    with pytest.raises(SettingsError, match="received 0 and 50"):
        write_video(path, numbered(1), 0)
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]
