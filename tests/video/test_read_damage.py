"""Reading damaged files, files that are no videos, and names that are no files."""

import http.server
import threading
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from vidskim.errors import CannotOpenError, DamagedVideoError, NoFramesError, NoVideoStreamError
from vidskim.video.read import iter_video, probe, read_video

Make = Callable[..., np.ndarray]
Write = Callable[..., Path]
Numbers = Callable[[np.ndarray], list[int]]


def test_one_bad_packet_costs_little(spoil: Write, numbers: Numbers) -> None:
    path = spoil(47)
    clip = read_video(path)
    assert len(clip) >= 115
    assert set(range(40)) <= set(numbers(clip.frames))
    assert set(range(60, 120)) <= set(numbers(clip.frames))
    assert not clip.health.is_good
    assert clip.health.packets_bad + clip.health.frames_corrupt >= 1
    assert clip.health.first_problem.startswith("after frame ")


def test_many_bad_packets_end_in_a_clip(spoil: Write) -> None:
    clip = read_video(spoil(*range(3, 120, 9)))
    assert len(clip) > 40
    assert (np.diff(clip.times_s) > 0).all()


@pytest.mark.parametrize(
    ("bad", "meets"), [((47,), False), ((118,), False), ((119,), False), ((20, 60, 100), True), ((1,), False)]
)
def test_damage_reads_the_same_for_any_threads_and_sampling(
    bad: tuple[int, ...], meets: bool, spoil: Write
) -> None:
    path = spoil(*bad)
    one = read_video(path, threads=1)
    several = read_video(path, threads=3)
    np.testing.assert_array_equal(one.frames, several.frames)
    sparse = read_video(path, 5.0, threads=3)
    dense = np.isin(one.times_s, sparse.times_s)
    assert dense.sum() == len(sparse)
    # A bad packet that only unwanted frames need is left out unseen; then nothing of it may show either.
    assert (one.health.packets_bad > 0, sparse.health.packets_bad > 0) == (True, meets)
    np.testing.assert_array_equal(one.frames[dense], sparse.frames)
    blocks = list(iter_video(path, block=16, threads=3))
    np.testing.assert_array_equal(np.concatenate([block.times_s for block in blocks]), one.times_s)


def test_a_lost_frame_is_replaced_by_the_last_good_one(spoil: Write, plain: Path, numbers: Numbers) -> None:
    path = spoil(*range(20, 40))
    lost = read_video(path, times_s=[0.6, 1.0, 1.92])
    assert len(lost) == 3
    assert numbers(lost.frames[[0, 2]]) == [15, 48]
    assert (np.diff(lost.times_s) >= 0).all()
    assert lost.times_s[1] <= 1.0


def test_strict_reading_raises_and_keeps_the_clip(spoil: Write, plain: Path) -> None:
    path = spoil(47)
    with pytest.raises(DamagedVideoError, match=r"damaged after frame \d+: ") as caught:
        read_video(path, strict=True)
    assert caught.value.kind == "damaged"
    assert len(caught.value.clip) == len(read_video(path))
    with pytest.raises(DamagedVideoError):
        list(iter_video(path, strict=True))
    assert len(read_video(plain, strict=True)) == 120


def test_a_cut_file_is_told_from_a_whole_one(plain: Path, tmp_path: Path, numbers: Numbers) -> None:
    data = plain.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) * 2 // 3])
    clip = read_video(path)
    assert clip.health.truncated
    assert numbers(clip.frames)[:60] == list(range(60))
    assert clip.health.expected_end_s == pytest.approx(4.8)
    assert clip.health.last_time_s < 4
    assert read_video(path, 1.0).health.truncated
    with pytest.raises(DamagedVideoError, match="damaged after frame"):
        read_video(path, strict=True)


def test_nothing_decodable_is_no_frames(spoil: Write) -> None:
    path = spoil(*range(120))
    for options in ({}, {"fps": 1.0}, {"times_s": [2.0]}):
        with pytest.raises(NoFramesError) as caught:
            read_video(path, **options)
        assert caught.value.kind == "no_frames"
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not a readable video \(.*\); the file is empty: copy or download it again"),
        (b"just some words\n" * 40, r"not a readable video \(.*\); check that a player opens it"),
        (b"\x00" * 5000, "check that a player opens it"),
        (b"\x00\x00\x00\x18ftypmp42", "check that a player opens it"),
    ],
)
def test_files_that_are_no_videos(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    for read in (read_video, probe, lambda path: next(iter_video(path))):
        with pytest.raises(CannotOpenError, match=message) as caught:
            read(path)
        assert caught.value.path == str(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.mp4", "no such local file; check the path"),
        (tmp_path, "no such local file: it is a folder; name one video in it"),
    ):
        with pytest.raises(CannotOpenError, match=message) as caught:
            read_video(path)
        assert caught.value.kind == "cannot_open"


def test_sound_only(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(NoVideoStreamError, match="no video stream"):
        read_video(path)


def test_playlists_and_lists_naming_other_files_are_refused(
    encode: Write, numbered: Make, tmp_path: Path
) -> None:
    encode(tmp_path / "part.ts", numbered(30), [40 * i for i in range(30)])
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\npart.ts\n#EXT-X-ENDLIST\n"
    parts = "ffconcat version 1.0\nfile part.ts\n"
    assert len(read_video(tmp_path / "part.ts")) == 30
    for name, text in (("a.m3u8", playlist), ("a.mp4", playlist), ("b.ffconcat", parts), ("b.mp4", parts)):
        (tmp_path / name).write_text(text)
        with pytest.raises(CannotOpenError):
            read_video(tmp_path / name)


def test_addresses_are_refused_without_a_request() -> None:
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.mp4"
        for path in (address, "file:///etc/passwd", "concat:a.mp4|b.mp4", "pipe:0"):
            with pytest.raises(CannotOpenError, match="no such local file"):
                read_video(path)
        server.shutdown()
    assert asked == []


def test_names_are_never_protocols(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "concat:a|é %d.mp4"
    (tmp_path / name).write_bytes(plain.read_bytes())
    assert len(read_video(name)) == 120
