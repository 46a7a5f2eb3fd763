"""Above which score a match is worth showing: read off from what a store answers to questions it cannot answer.

A score is a cosine, and how high cosines are depends on the model and on the store: the best of a million frames is
higher than the best of a hundred, whatever is asked. So sentences about all kinds of things are asked; few of them are
in any one store, and the middle of their best scores tells what "nothing there" looks like.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
from torch import Tensor

from vidskim.store.reader import Reader
from vidskim.store.records import Vectors
from vidskim.tasks.search import search

SENTENCES = (
    "a man plays the violin on a stage",
    "a surgeon operates on a patient",
    "a cat sleeps on a windowsill",
    "children build a sandcastle on the beach",
    "a rocket lifts off from a launch pad",
    "a chef chops onions in a kitchen",
    "a train arrives at a station in the snow",
    "a woman paints a portrait",
    "penguins walk over the ice",
    "a boxer hits a punching bag",
    "a tractor ploughs a field",
    "people dance at a wedding",
    "a diver swims above a coral reef",
    "a judge speaks in a courtroom",
    "a potter shapes a bowl of clay",
    "a helicopter lands on a roof",
    "a goalkeeper saves a penalty",
    "a page of handwritten notes",
    "fireworks over a harbour at night",
    "a camel caravan crosses the desert",
    "a mechanic changes the tyre of a car",
    "a baby takes a bath",
    "a screen full of computer code",
    "a waterfall in a rain forest",
)
SPREADS = 3.0  # above the middle, in standard deviations
FRAME_PROBES = 24
FOUND = 0.9  # of the stored frames find their own video, whatever the other videos look like
_NORMAL = 1.4826  # median absolute deviation -> standard deviation, where scores are normal
_LEAST_PROBES = 5


@dataclass(frozen=True)
class Threshold:
    """What was found.

    Args:
        value: a score that few questions without an answer reach.
        median: of the probes' best scores.
        spread: their standard deviation, estimated from the median absolute deviation.
        probes: how many were asked.
    """

    value: float
    median: float
    spread: float
    probes: int


def calibrate_sentences(store: Reader, vectors: Tensor | Vectors) -> Threshold | None:
    """The threshold of searches by text.

    Args:
        store: to be searched.
        vectors: of `SENTENCES` or others of which most are not in the store, float32 [n, d], unit length.

    Returns:
        None if the store is empty.
    """
    best = [search(store, vector, limit=1).best_score for vector in vectors]
    return summarise([score for score in best if score is not None])


def calibrate_frames(store: Reader, *, seed: int = 0) -> Threshold | None:
    """The threshold of searches by picture: frames of the store, searched in all its other videos.

    In a small store, or one whose videos are alike, these scores lie high and far apart, and the threshold would come
    out where not even a picture of the store itself gets. So it is never above what `FOUND` of the same frames score in
    their own videos.

    Returns:
        None if there are too few videos to tell.
    """
    videos = [video.id for video in store.videos()]
    if len(videos) < _LEAST_PROBES:
        return None
    draw = np.random.default_rng(seed)
    best, own = [], []
    for video in islice(cycle(draw.permutation(videos).tolist()), FRAME_PROBES):
        frames = store.frames(video).vectors
        probe = frames[int(draw.integers(len(frames)))]
        result = search(store, probe, limit=1, ids=[other for other in videos if other != video])
        if result.best_score is not None:
            best.append(result.best_score)
        own.append(search(store, probe, limit=1, ids=[video]).best_score or 0.0)
    return summarise(best, most=float(np.quantile(own, 1 - FOUND, method="lower")))


def summarise(best: Sequence[float], *, most: float = 1.0) -> Threshold | None:
    """From the best scores of probes to a threshold, `most` at most; None for fewer than five.

    The middle and the spread are medians, so that some probes may well be in the store.
    """
    if len(best) < _LEAST_PROBES:
        return None
    scores = np.asarray(best, np.float64)
    median = float(np.median(scores))
    spread = _NORMAL * float(np.median(np.abs(scores - median)))
    return Threshold(min(most, median + SPREADS * spread), median, spread, len(scores))
