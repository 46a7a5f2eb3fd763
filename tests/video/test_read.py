"""Reading whole files: which frames come, when, how large, how turned."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from vidskim.errors import NoFramesError, SettingsError, VideoTooLargeError
from vidskim.video.guard import Limits
from vidskim.video.read import frame_times, iter_video, probe, read_video

Make = Callable[..., np.ndarray]
Write = Callable[..., Path]
Numbers = Callable[[np.ndarray], list[int]]


def expected(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The sampling rule, word for word: the last frame at or before each time, else the first."""
    return np.array([max([i for i, t in enumerate(times) if t <= w + 1e-7], default=0) for w in wanted])


def test_every_frame_in_order(plain: Path, numbers: Numbers) -> None:
    clip = read_video(plain)
    assert numbers(clip.frames) == list(range(120))
    assert clip.times_s == pytest.approx(np.arange(120) / 25)
    assert clip.health.is_good
    assert clip.health.strategy == "straight"
    assert (clip.health.packets_total, clip.health.frames_decoded) == (120, 120)
    assert clip.health.expected_end_s == pytest.approx(4.8)


CODINGS = {
    "b-frames": ("a.mp4", "libx264", {"g": "30", "bf": "3", "sc_threshold": "0"}),
    "no b-frames": ("a.mkv", "libx264", {"g": "15", "bf": "0", "sc_threshold": "0"}),
    "open groups": ("a.mkv", "libx264", {"g": "20", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}),
    "gradual refresh": ("a.mkv", "libx264", {"g": "20", "bf": "0", "x264-params": "intra-refresh=1"}),
    "transport stream": ("a.ts", "libx264", {"g": "20", "bf": "2"}),
    "mpeg-2": ("a.ts", "mpeg2video", {"g": "12", "bf": "2"}),
    "mpeg-4": ("a.mp4", "mpeg4", {"g": "25", "bf": "2"}),
    "avi": ("a.avi", "libx264", {"g": "25", "bf": "2"}),
}


@pytest.mark.parametrize("name", CODINGS)
def test_every_way_of_decoding_gives_the_same_frames(
    name: str, encode: Write, numbered: Make, tmp_path: Path
) -> None:
    file, codec, options = CODINGS[name]
    path = encode(tmp_path / file, numbered(100), [40 * i for i in range(100)], codec=codec, options=options)
    every = read_video(path, motion=False, threads=1)
    assert len(every) == 100
    end = every.times_s[-1] + 0.04
    for fps in (0.4, 1.0, 3.0, 7.3):
        clip = read_video(path, fps)
        chosen = np.unique(expected(every.times_s, np.arange(every.times_s[0], end - 1e-6, 1 / fps)))
        np.testing.assert_array_equal(clip.times_s, every.times_s[chosen])
        np.testing.assert_array_equal(clip.times_s, frame_times(path, fps))
        np.testing.assert_array_equal(clip.frames, every.frames[chosen])
    part = read_video(path, start_s=every.times_s[0] + 2.5)
    np.testing.assert_array_equal(part.frames, every.frames[-len(part) :])
    assert part.times_s[0] == pytest.approx(every.times_s[0] + 2.52)


def test_sparse_reading_leaves_packets_out(plain: Path) -> None:
    strategies = {fps: read_video(plain, fps).health.strategy for fps in (0.3, 6.0, 25.0)}
    assert strategies == {0.3: "groups+nonref", 6.0: "nonref", 25.0: "straight"}
    sparse = read_video(plain, times_s=[1.0, 4.1]).health
    assert sparse.packets_decoded < 40
    assert sparse.packets_total == 120


def test_times_give_one_frame_each(plain: Path, numbers: Numbers) -> None:
    clip = read_video(plain, times_s=[-3.0, 0.0, 0.039, 0.04, 1.0, 1.0, 99.0])
    assert numbers(clip.frames) == [0, 0, 0, 1, 25, 25, 119]
    assert clip.times_s == pytest.approx([0, 0, 0, 0.04, 1, 1, 4.76])


def test_a_rate_above_the_source_repeats_nothing(plain: Path, numbers: Numbers) -> None:
    assert numbers(read_video(plain, fps=240.0).frames) == list(range(120))


def test_start_and_end_are_half_open_and_chunks_join(plain: Path, numbers: Numbers) -> None:
    assert numbers(read_video(plain, start_s=1.0, end_s=1.2).frames) == [25, 26, 27, 28, 29]
    parts = [read_video(plain, 3.0, start_s=a, end_s=a + 1.6).frames for a in (0.0, 1.6, 3.2)]
    assert numbers(np.concatenate(parts)) == numbers(read_video(plain, 3.0).frames)
    with pytest.raises(
        NoFramesError, match=r"between start_s 7.0 and end_s None; the video runs from 0.000 to 4.800"
    ):
        read_video(plain, start_s=7.0)


def test_variable_frame_rate_and_late_start(
    encode: Write, numbered: Make, numbers: Numbers, tmp_path: Path
) -> None:
    stamps = [5000, 5040, 5080, 6500, 6540, 8000, 8010, 8020]
    path = encode(tmp_path / "a.mkv", numbered(8), stamps)
    assert read_video(path).times_s == pytest.approx(np.array(stamps) / 1000)
    clip = read_video(path, 2.0)  # at 5, 5.5, 6, 6.5, 7, 7.5, 8
    assert numbers(clip.frames) == [0, 2, 3, 4, 5]
    assert clip.health.is_good


def test_iter_gives_the_same_frames_in_blocks(plain: Path) -> None:
    whole = read_video(plain, 12.0, motion=True)
    blocks = list(iter_video(plain, 12.0, motion=True, block=7))
    assert [len(block) for block in blocks] == [7] * (len(whole) // 7) + [len(whole) % 7] * (
        len(whole) % 7 > 0
    )
    for name in ("frames", "times_s", "motion"):
        joined = np.concatenate([getattr(block, name) for block in blocks])
        np.testing.assert_array_equal(joined, getattr(whole, name))
    assert blocks[-1].health == whole.health


def test_blocks_shrink_to_the_memory_allowed(plain: Path) -> None:
    assert {len(clip) for clip in iter_video(plain, max_bytes=3 * 96 * 128 * 4)} == {4}


def test_files_are_closed(plain: Path, open_files: Callable[[Path], int]) -> None:
    before = open_files(plain)
    clips = iter_video(plain, block=4)
    next(clips)
    assert open_files(plain) == before + 1
    clips.close()
    read_video(plain, 1.0)
    probe(plain)
    assert open_files(plain) == before


def test_memory_cap_names_the_way_out(plain: Path) -> None:
    with pytest.raises(VideoTooLargeError, match=r"120 frames of 128x96 .* use iter_video\(path, fps=...\)"):
        read_video(plain, max_bytes=100_000)
    assert len(read_video(plain, 2.0, max_bytes=400_000)) == 10


def test_limits_apply(plain: Path) -> None:
    for limits, message in (
        (Limits(side=100), r"128x96 pixels; a side may have 100"),
        (Limits(pixels=5000), r"a frame may have 5000"),
        (Limits(frames=50), r"120 frames; 50 are allowed"),
        (Limits(duration_s=2.0), r"4.8 s long; 2.0 s are allowed"),
    ):
        for read in (read_video, probe, lambda path, limits: next(iter_video(path, limits=limits))):
            with pytest.raises(VideoTooLargeError, match=message):
                read(plain, limits=limits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fps": 0.0}, "fps must be a finite number above 0, received 0.0"),
        ({"fps": float("nan")}, "received nan"),
        ({"fps": -3.0}, "received -3.0"),
        ({"times_s": [2.0, 1.0]}, "times_s must not decrease, received 2.0 before 1.0"),
        ({"times_s": []}, "one or more seconds"),
        ({"times_s": [float("inf")]}, "must be finite, received inf"),
        ({"times_s": [1.0], "fps": 2.0}, "leave out fps"),
        ({"start_s": 2.0, "end_s": 1.0}, "start_s must be below end_s, received 2.0 and 1.0"),
        ({"end_s": float("nan")}, "end_s must be a finite number"),
        ({"short_side": 0}, "short_side must be 1 or more pixels, received 0"),
        ({"max_bytes": 0}, "max_bytes must be 1 or more"),
        ({"threads": -1}, "threads must be 0"),
    ],
)
def test_settings_are_checked_at_once(settings: dict[str, Any], message: str) -> None:
    for read in (read_video, iter_video):
        with pytest.raises(SettingsError, match=message):
            read("nowhere.mp4", **settings)
    with pytest.raises(SettingsError, match="block must be 1 or more frames, received 0"):
        iter_video("nowhere.mp4", block=0)


def test_odd_sizes_ten_bits_and_gif(encode: Write, numbered: Make, numbers: Numbers, tmp_path: Path) -> None:
    odd = encode(tmp_path / "odd.mp4", numbered(5, 97, 131), [0, 40, 80, 120, 160], pixel_format="yuv444p")
    assert read_video(odd).frames.shape == (5, 97, 131, 3)
    deep = encode(tmp_path / "deep.mp4", numbered(5), [0, 40, 80, 120, 160], pixel_format="yuv420p10le")
    assert numbers(read_video(deep).frames) == [0, 1, 2, 3, 4]
    images = [Image.fromarray(frame) for frame in numbered(4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 300, 100, 100])
    gif = read_video(tmp_path / "a.gif")
    assert numbers(gif.frames) == [0, 1, 2, 3]
    assert gif.times_s == pytest.approx([0, 0.1, 0.4, 0.5])


def test_short_side_scales_while_decoding(plain: Path) -> None:
    small, full = read_video(plain, 2.0, short_side=40), read_video(plain, 2.0)
    assert small.frames.shape == (10, 40, 53, 3)
    reference = np.stack(
        [Image.fromarray(frame).resize((53, 40), Image.Resampling.BICUBIC) for frame in full.frames]
    )
    assert np.abs(small.frames.astype(float) - reference).mean() < 3


def test_a_short_side_may_not_make_frames_too_large(plain: Path) -> None:
    with pytest.raises(VideoTooLargeError, match=r"short_side 200 makes 266x200 pixels; a side may have 250"):
        read_video(plain, 2.0, short_side=200, limits=Limits(side=250))


def test_motion_is_exported_where_every_frame_is_decoded(plain: Path) -> None:
    assert read_video(plain, 1.0).motion is None
    assert read_video(plain, motion=False).motion is None
    every = read_video(plain)
    forced = read_video(plain, 1.0, motion=True)
    assert forced.motion.shape == (5, 12, 16)
    assert forced.health.strategy == "straight"
    np.testing.assert_array_equal(forced.motion, every.motion[[0, 25, 50, 75, 100]])
    # The square moves 3 pixels a frame, over rows 48 to 80.
    assert every.motion[60, 6:10].max() > 20
    assert every.motion[60, 6:10].mean() > 4 * every.motion[60, 10:].mean()


def test_motion_is_the_same_for_any_threads(numbered: Make, encode: Write, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 90, (60, 360, 640, 1), dtype=np.uint8)
    path = encode(tmp_path / "a.mp4", numbered(60, 360, 640) // 2 + noise, [40 * i for i in range(60)])
    one = read_video(path, motion=True, threads=1)
    for threads in (0, 2, 3):
        np.testing.assert_array_equal(read_video(path, motion=True, threads=threads).motion, one.motion)


def test_codecs_without_vectors_have_no_motion(numbered: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    images = [Image.fromarray(frame) for frame in numbered(3)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    assert read_video(path, motion=True).motion is None


MATRICES = [
    (1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
    (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0),
]  # fmt: skip


@pytest.mark.parametrize("matrix", MATRICES)
def test_all_turns_and_mirrors(matrix: tuple[int, int, int, int], plain: Path, tmp_path: Path) -> None:
    a, b, c, d = matrix
    data = bytearray(plain.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other fields
    old = np.frombuffer(bytes(data[at : at + 36]), ">i4").tolist()
    assert old == [65536, 0, 0, 0, 65536, 0, 0, 0, 2**30]
    new = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 2**30], ">i4")
    data[at : at + 36] = new.tobytes()
    path = tmp_path / "turned.mp4"
    path.write_bytes(data)
    stored, turned = read_video(plain, end_s=0.4, motion=True), read_video(path, end_s=0.4, motion=True)
    for name, unit in (("frames", 1), ("motion", 8)):
        before, after = getattr(stored, name), getattr(turned, name)
        y, x = np.mgrid[: 96 // unit, : 128 // unit]
        shown_x, shown_y = a * x + c * y, b * x + d * y
        target = np.empty_like(after)
        target[:, shown_y - shown_y.min(), shown_x - shown_x.min()] = before[:, y, x]
        np.testing.assert_array_equal(after, target)
    info = probe(path)
    assert (info.height, info.width) == turned.frames.shape[1:3]
    assert info.mirrored == (a * d - b * c < 0)
    assert (info.rotation == 0) == (matrix in MATRICES[:2])


def test_probe_tells_the_header(plain: Path) -> None:
    info = probe(plain)
    assert (info.width, info.height, info.codec, info.rotation, info.mirrored) == (128, 96, "h264", 0, False)
    assert info.duration_s == pytest.approx(4.8)
    assert (info.frame_rate, info.frames_in_header) == (25.0, 120)
    assert info.size_bytes == plain.stat().st_size


def test_a_video_without_timestamps_gets_increasing_ones(
    encode: Write, numbered: Make, numbers: Numbers, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.avi", numbered(30), [40 * i for i in range(30)], options={"bf": "2"})
    with av.open(str(path)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert stamps == sorted(stamps), "AVI stores decode order only; if this changed, the test tests nothing"
    clip = read_video(path)
    assert numbers(clip.frames) == list(range(30))
    assert np.diff(clip.times_s) == pytest.approx(0.04)


def test_preparation_does_not_load_the_decoder() -> None:
    code = "import sys, vidskim.video.prepare, vidskim.video.motion; sys.exit('av' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2] / "src")


def test_signed_motion_says_which_way(plain: Path) -> None:
    lengths, signed = read_video(plain, 1.0, motion=True), read_video(plain, 1.0, motion="signed")
    assert (lengths.signed, signed.signed, signed[1:].signed) == (False, True, True)
    assert (lengths.motion >= 0).all()
    assert signed.motion[0, 6:10].max() > 10  # the square goes to the right
    assert abs(signed.motion[0, 6:10].min()) < 5
    with pytest.raises(SettingsError, match="True, False, None or \"signed\", received 'both'"):
        read_video(plain, motion="both")
