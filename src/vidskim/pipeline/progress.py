"""How far a run over many videos has come."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """Sent after each video. `outcome` is "done", "failed" or "skipped"; counts are so far, `listed` in all."""

    listed: int
    name: str = ""
    outcome: str = ""
    message: str = ""
    done: int = 0
    failed: int = 0
    skipped: int = 0
    frames: int = 0


class Tally:
    """Counts outcomes, and tells of each."""

    def __init__(self, listed: int, on_progress: Callable[[Progress], None]) -> None:
        self.progress = Progress(listed=listed)
        self._on_progress = on_progress

    def add(self, name: str, outcome: str, *, message: str = "", frames: int = 0) -> None:
        """One video settled."""
        count = self.progress
        counts = {outcome: getattr(count, outcome) + 1, "frames": count.frames + frames}
        self.progress = replace(count, name=name, outcome=outcome, message=message, **counts)
        self._on_progress(self.progress)
