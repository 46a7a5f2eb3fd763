"""Several encoders on the same frames of one video: how close they stay to the first, what they spend, how long."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from vidskim.evaluate.fidelity import cosines_to
from vidskim.evaluate.sample import Excerpt
from vidskim.models.cost import vit_macs
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.features import Features
from vidskim.pipeline.stream import Block


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """One setting on the sampled frames of one video.

    Args:
        cosines: to the full encoder's features, [t].
        macs: spent on these frames.
        seconds: encoder time of each round, [r].
        scores: cosine of each frame to each text query, [t, q].
    """

    cosines: npt.NDArray[np.float32]
    macs: int
    seconds: Sequence[float]
    scores: npt.NDArray[np.float32]


def observe(
    encoders: Sequence[VideoEncoder],
    excerpt: Excerpt,
    *,
    rounds: int,
    words: Tensor,
    on_run: Callable[[int], None] = lambda done: None,
) -> list[Observation]:
    """Every encoder on the same frames, one after the other in each round, every second round backwards.

    Args:
        encoders: the full one first.
        excerpt: of one video.
        rounds: times each is run.
        words: text vectors [q, d].
        on_run: told how many runs are done.
    """
    seconds: list[list[float]] = [[] for _ in encoders]
    results: list[list[Features]] = [[] for _ in encoders]
    order = list(range(len(encoders)))
    for done, number in enumerate(
        number for turn in range(rounds) for number in (reversed(order) if turn % 2 else order)
    ):
        start = time.perf_counter()
        results[number] = _encode(encoders[number], excerpt)
        seconds[number].append(time.perf_counter() - start)
        on_run(done + 1)
    frame_macs = vit_macs(encoders[0].trunk.config)
    return [
        _observation(results[0], parts, spent, words=words, closing=frame_macs if excerpt.goes_on else None)
        for parts, spent in zip(results, seconds, strict=True)
    ]


def _encode(encoder: VideoEncoder, excerpt: Excerpt) -> list[Features]:
    """Each stretch as a video of its own."""
    blocks = (Block(number, part, last=True) for number, part in enumerate(excerpt.stretches))
    parts: dict[object, list[Features]] = {}
    for key, features in encoder.encode_stream(blocks):
        parts.setdefault(key, []).append(features)
    return [Features.concatenate(parts[number]) for number in range(len(excerpt.stretches))]


def _observation(
    full: Sequence[Features],
    other: Sequence[Features],
    seconds: Sequence[float],
    *,
    words: Tensor,
    closing: int | None,
) -> Observation:
    """One setting's stretches against the full encoder's.

    Args:
        closing: MACs of an I-frame if the video goes on after each stretch. The last frame of a stretch is then left
            out, with what it cost: in the whole video it would be the first of the next group.
    """
    count = None if closing is None else -1
    cosines = [cosines_to(mine, its)[:count] for mine, its in zip(full, other, strict=True)]
    macs = sum(part.macs - (closing or 0) * (part.kinds[-1] == "I") for part in other)
    scores = [(part.vectors[:count] @ words.T).numpy() for part in other]
    return Observation(
        cosines=np.concatenate(cosines), macs=int(macs), seconds=seconds, scores=np.concatenate(scores)
    )
