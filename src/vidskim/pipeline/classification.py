"""What a video shows, as a classifier says it."""

from collections.abc import Iterator
from dataclasses import dataclass

from vidskim.fingerprint import Fingerprint


@dataclass(frozen=True)
class Classification:
    """What a video shows, the likeliest first. A row of (label, probability).

    Args:
        labels: names of the classes.
        probabilities: of each, in falling order; over all classes they add up to 1.
        views: parts of the video they are a mean of.
        macs: multiply-accumulates the trunk spent on them.
        fingerprint: of the classifier.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    views: int
    macs: int
    fingerprint: Fingerprint

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[str, float]:
        return self.labels[place], self.probabilities[place]

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return zip(self.labels, self.probabilities, strict=True)

    def __repr__(self) -> str:
        rows = ", ".join(f"{label!r} {probability:.3f}" for label, probability in self)
        return f"Classification({rows}; {self.views} views, {self.macs / 1e9:.1f} GMAC)"
