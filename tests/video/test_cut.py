"""Parts of videos: what they show, where they begin, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from vidskim.errors import CannotOpenError, SettingsError, VideoTooLargeError
from vidskim.video.cut import cut_video
from vidskim.video.read import probe, read_video
from vidskim.video.write import write_video

FPS, GOP = 10.0, 10


@pytest.fixture
def source(tmp_path: Path, numbered: Callable[..., np.ndarray]) -> Path:
    path = tmp_path / "source.mp4"
    write_video(path, numbered(40), FPS, gop=GOP, options={"bf": "2"})
    return path


def test_a_part_begins_at_the_key_frame_before(
    source: Path, tmp_path: Path, numbers: Callable[[np.ndarray], list[int]]
) -> None:
    out = tmp_path / "part"
    assert cut_video(source, out, start_s=1.5, end_s=2.5) == ".mp4"
    clip = read_video(out)
    shown = numbers(clip.frames)
    assert shown[0] == GOP
    assert set(range(GOP, 25)) <= set(shown) <= set(range(GOP, 29))
    assert clip.times_s[0] == pytest.approx(0, abs=0.01)
    assert np.diff(clip.times_s) == pytest.approx(1 / FPS, abs=1e-3)


def test_the_whole(source: Path, tmp_path: Path, numbers: Callable[[np.ndarray], list[int]]) -> None:
    cut_video(source, tmp_path / "part", start_s=0, end_s=100)
    assert numbers(read_video(tmp_path / "part").frames) == list(range(40))


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, 1)])
def test_a_part_is_turned_as_its_source(source: Path, tmp_path: Path, matrix: tuple[int, ...]) -> None:
    a, b, c, d = matrix
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other fields
    new = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 2**30], ">i4")
    data[at : at + 36] = new.tobytes()
    turned, out = tmp_path / "turned.mp4", tmp_path / "part"
    turned.write_bytes(data)
    cut_video(turned, out, start_s=1.0, end_s=2.0)
    was, now = probe(turned), probe(out)
    assert (was.rotation, was.mirrored) != (0, False)
    assert (now.rotation, now.mirrored, now.width, now.height) == (
        was.rotation,
        was.mirrored,
        was.width,
        was.height,
    )
    whole, part = read_video(turned), read_video(out)
    np.testing.assert_array_equal(part.frames[:5], whole.frames[GOP : GOP + 5])


def test_sound_comes_along(tmp_path: Path, numbered: Callable[..., np.ndarray]) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"g": "10"})
        audio = container.add_stream("aac", rate=8000, layout="mono")
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        for frame in numbered(30):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        for block in range(24):
            tone = np.sin(np.arange(1000) / 5, dtype=np.float32)[None]
            samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 8000, 1000 * block
            container.mux(audio.encode(samples))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    cut_video(path, tmp_path / "part", start_s=1, end_s=2)
    with av.open(str(tmp_path / "part")) as part:
        heard = sum(frame.samples for frame in part.decode(part.streams.audio[0])) / 8000
    assert heard == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(("start", "end"), [(2, 2), (3, 1), (-1, 2), (0, float("inf")), (float("nan"), 1)])
def test_an_empty_range_is_refused(source: Path, tmp_path: Path, start: float, end: float) -> None:
    with pytest.raises(SettingsError, match="a cut needs 0 <= start_s < end_s"):
        cut_video(source, tmp_path / "part", start_s=start, end_s=end)


def test_too_many_bytes_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoTooLargeError, match="more than 1000 bytes: take less of it"):
        cut_video(source, tmp_path / "part", start_s=0, end_s=4, most_bytes=1000)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\nfile:///etc/passwd\n")
    with pytest.raises(CannotOpenError):
        cut_video(path, tmp_path / "part", start_s=0, end_s=1)
