"""Footage for tests: short videos of moving squares, one of them broken, and the full encoder."""

from pathlib import Path

import numpy as np

from vidskim.video.write import write_video


def write_square(path: Path, *, frames: int, seed: int, fps: float = 3.0) -> Path:
    """A square that moves over noise."""
    generator = np.random.default_rng(seed)
    ground = generator.integers(0, 120, (96, 128, 3), dtype=np.uint8)
    shown = np.repeat(ground[None], frames, axis=0)
    for number, frame in enumerate(shown):
        at = 4 * number % 96
        frame[32:64, at : at + 32] = generator.integers(128, 255, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, iter(shown), fps)
    return path


def write_footage(folder: Path, *, videos: int = 4, frames: int = 10) -> list[Path]:
    """Some good videos and a broken one, in a folder."""
    good = [write_square(folder / f"v{number}.mp4", frames=frames, seed=number) for number in range(videos)]
    broken = folder / "x.mp4"
    broken.write_bytes(b"not a video")
    return [*good, broken]
