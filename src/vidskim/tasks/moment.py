"""Moment: a stretch of one video and how well it fits what was asked for."""

import math
from dataclasses import dataclass

from vidskim.errors import SettingsError


@dataclass(frozen=True)
class Moment:
    """A stretch of one video.

    Args:
        start_s: where it begins, seconds on the video's own clock.
        end_s: where it ends, at or after `start_s`.
        score: higher is better; comparable within one query.

    Raises:
        SettingsError: a value is not finite, or the end is before the start.
    """

    start_s: float
    end_s: float
    score: float

    def __post_init__(self) -> None:
        for name in ("start_s", "end_s", "score"):
            if not math.isfinite(getattr(self, name)):
                raise SettingsError(f"{name} of a moment must be finite, received {getattr(self, name)}")
        if self.end_s < self.start_s:
            raise SettingsError(
                f"a moment must end at or after its start, received {self.start_s} to {self.end_s} s"
            )

    @property
    def length_s(self) -> float:
        """Seconds from start to end, 0 or more."""
        return self.end_s - self.start_s
