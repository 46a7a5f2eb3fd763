"""Where the time of a run goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

STAGES = ("decode", "prepare", "encode", "write")


@dataclass
class StageTimes:
    """Seconds spent in each stage. Reading (decode, prepare) runs beside the rest, so the sum exceeds the wall time."""

    decode_s: float = 0.0
    prepare_s: float = 0.0
    encode_s: float = 0.0
    write_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time inside the block to one stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add (or take off) seconds."""
        name = f"{stage}_s"
        setattr(self, name, getattr(self, name) + seconds)

    @property
    def limiting(self) -> str:
        """The stage to make faster first: the longest one on the busier of the two threads."""
        reading, encoding = ("decode", "prepare"), ("encode", "write")
        busier = max((reading, encoding), key=lambda side: sum(self.seconds(stage) for stage in side))
        return max(busier, key=self.seconds)

    def seconds(self, stage: str) -> float:
        """The seconds of one stage."""
        return float(getattr(self, f"{stage}_s"))

    def to_json(self) -> dict[str, float | str]:
        """Plain values, rounded to 0.1 ms."""
        times = {f"{stage}_s": round(self.seconds(stage), 4) for stage in (*STAGES, "wall")}
        return {**times, "limiting": self.limiting}
