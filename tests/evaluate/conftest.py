"""What calibrations are tested on: the bundled model and a few seconds of rendered video."""

from itertools import islice
from pathlib import Path

import pytest

from vidskim.evaluate.calibrate import Measurement, Report
from vidskim.evaluate.candidates import FULL, Candidate
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.load import load_model
from vidskim.pipeline.sources import Source
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.video.write import write_video


@pytest.fixture(scope="session")
def demo() -> VideoEncoder:
    """The bundled model, every frame in full."""
    return load_model("demo", dtype="float32")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Two videos of 40 and 46 frames at 6 frames/s; not to be written into."""
    folder = tmp_path_factory.mktemp("clips")
    sources = []
    for number in range(2):
        path = folder / f"v{number}.mp4"
        frames = render_video(draw_script("test", seed=0, number=number), fps=6.0, height=96, width=128)
        write_video(path, islice(frames, 40 + 6 * number), 6.0)
        sources.append(Source(path=Path(path), name=path.name))
    return sources


@pytest.fixture
def measured() -> list[Measurement]:
    """Five settings with made-up numbers, the full encoder first."""

    def one(candidate: Candidate, share: float, cosine: float, time_share: float) -> Measurement:
        return Measurement(
            candidate=candidate,
            share=share,
            time_share=time_share,
            ms=10 * time_share,
            cosine=cosine,
            low=cosine - 0.01,
            worst_video="b.mp4",
            worst=cosine - 0.05,
            correlation=cosine - 0.001,
            overlap=0.9,
        )

    return [
        one(FULL, 1.0, 1.0, 1.0),
        one(Candidate("interpolate", "interpolate", {"interleave": 2}, "free"), 0.33, 0.91, 0.35),
        one(Candidate("random", "reuse", {"select": "random"}, "control"), 0.39, 0.99, 0.5),
        one(Candidate("reuse", "reuse", {"interleave": 3, "threshold": 0.06}), 0.38, 0.97, 0.45),
        one(Candidate("reuse", "reuse", {"interleave": 2, "threshold": 0.06}), 0.45, 0.98, 0.5),
    ]


@pytest.fixture
def report(measured: list[Measurement]) -> Report:
    """Those settings on two videos, a third unreadable."""
    return Report(
        measurements=measured,
        videos={
            "a.mp4": {"frames": 96, "stretches_s": [(10.0, 26.0), (80.0, 96.0)]},
            "b.mp4": {"frames": 14, "stretches_s": [(0.0, 4.4)]},
        },
        listed=40,
        failures={"c.mp4": "not a readable video"},
        fps=3.0,
        rounds=3,
        queries=["a dog"],
        machine={"device": "cpu", "dtype": "float32", "threads": 2},
    )
