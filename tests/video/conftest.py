"""Small videos, made on the spot: every frame carries its number, so a test can tell which frames it got."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

Array = np.ndarray


def _numbered(count: int, y: int = 96, x: int = 128) -> Array:
    """A bright square wanders over a gradient; the top row of eight blocks is the frame number in bits."""
    frames = np.zeros((count, y, x, 3), np.uint8)
    frames[..., 1] = np.linspace(60, 180, x).astype(np.uint8)
    frames[..., 2] = np.linspace(180, 60, y).astype(np.uint8)[:, None]
    for number, frame in enumerate(frames):
        at = 3 * number % (x - 32)
        frame[48:80, at : at + 32, 0] = 230
        for bit in range(8):
            frame[:16, bit * 16 : bit * 16 + 16] = 235 * (number >> bit & 1) + 10
    return frames


def _read_numbers(frames: Array) -> list[int]:
    middles = frames[:, 8, 8:128:16].mean(-1) > 128
    return [sum(int(on) << bit for bit, on in enumerate(row)) for row in middles]


@pytest.fixture(scope="session")
def numbered() -> Callable[..., Array]:
    return _numbered


@pytest.fixture(scope="session")
def numbers() -> Callable[[Array], list[int]]:
    """The numbers of upright frames made by `numbered`, at least 128 pixels wide."""
    return _read_numbers


@pytest.fixture(scope="session")
def encode() -> Callable[..., Path]:
    """Write frames with chosen timestamps (ticks of 1/1000 s), codec, pixel format and options."""

    def write(
        path: Path,
        frames: Array,
        stamps: list[int],
        *,
        codec: str = "libx264",
        pixel_format: str = "yuv420p",
        options: dict[str, str] | None = None,
        container: dict[str, str] | None = None,
    ) -> Path:
        with av.open(str(path), "w", container_options=container or {}) as output:
            stream = output.add_stream(codec, rate=25, options=options or {})
            stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixel_format
            if codec != "mpeg2video":
                stream.codec_context.time_base = Fraction(1, 1000)
            for pixels, stamp in zip(frames, stamps, strict=True):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = stamp, Fraction(1, 1000)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory, encode: Callable[..., Path]) -> Path:
    """120 frames at 25 a second, a key frame every 20, with frames that refer both ways."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    options = {"g": "20", "bf": "3", "sc_threshold": "0", "crf": "18"}
    faststart = {"movflags": "+faststart"}
    return encode(path, _numbered(120), [40 * i for i in range(120)], options=options, container=faststart)


@pytest.fixture
def spoil(plain: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of `plain` with the middle of some packets (by number in the file) filled with noise."""

    def write(*packets: int) -> Path:
        data = bytearray(plain.read_bytes())
        with av.open(str(plain)) as container:
            places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
        for number in packets:
            start, size = places[number]
            data[start + 4 : start + size] = bytes((37 * i + 11) % 256 for i in range(size - 4))
        path = tmp_path / "spoiled.mp4"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def open_files() -> Callable[[Path], int]:
    """How many times this process has a file open."""

    def count(path: Path) -> int:
        links = (link for link in Path("/proc/self/fd").iterdir())
        return sum(_target(link) == path for link in links)

    return count


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None
