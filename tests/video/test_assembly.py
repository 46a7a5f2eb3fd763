"""Memory while reading: flat over many files, bounded over a long one. Measured in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vidskim.video.write import write_video

MIB = 2**20
RESIDENT = """
import os, sys
from pathlib import Path
from vidskim.video.read import iter_video, probe, read_video
path = sys.argv[1]

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
"""
MANY = """
def read():
    read_video(path, 5.0, threads=1)
    probe(path)
    next(iter_video(path, motion=True, block=2, threads=1))

for _ in range(20):
    read()
before = resident()
for _ in range(80):
    read()
print(resident() - before)
"""
LONG = """
clips = iter_video(path, block=64, threads=1)
next(clips)
before, most, count = resident(), 0, 64
for clip in clips:
    most, count = max(most, resident() - before), count + len(clip)
assert count == 3000, count
print(most)
"""


def grown(code: str, path: Path) -> int:
    """The number of bytes that the code prints."""
    command = [sys.executable, "-c", RESIDENT + code, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_memory_stays_flat_over_240_openings(numbered: Callable[..., np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, numbered(24), 25)
    # 80 times three openings; a lost frame at each would be 240 * 36 KiB, 8.4 MiB, without the decoder's own memory.
    assert grown(MANY, path) < 4 * MIB


def test_memory_stays_bounded_over_a_long_video(numbered: Callable[..., np.ndarray], tmp_path: Path) -> None:
    path, frames = tmp_path / "a.mp4", numbered(100)
    write_video(path, (frame for _ in range(30) for frame in frames), 25, options={"preset": "ultrafast"})
    assert 30 * frames.nbytes > 100 * MIB
    assert grown(LONG, path) < 16 * MIB
