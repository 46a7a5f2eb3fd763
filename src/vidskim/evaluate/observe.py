"""Several encoders on the same frames of one video: how close they stay to the first, what they spend, how long."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from vidskim.evaluate.clock import shares_of_time, take_turns
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
        seconds: encoder time, the median of its runs.
        time_shares: encoder time over the full encoder's beside it, [r].
        scores: cosine of each frame to each text query, [t, q].
    """

    cosines: npt.NDArray[np.float32]
    macs: int
    seconds: float
    time_shares: Sequence[float]
    scores: npt.NDArray[np.float32]


def observe(
    encoders: Sequence[VideoEncoder],
    excerpt: Excerpt,
    *,
    rounds: int,
    words: Tensor,
    on_run: Callable[[int], None] = lambda done: None,
) -> list[Observation]:
    """Every encoder on the same frames, in the order of `take_turns`.

    Args:
        encoders: the full one first.
        excerpt: of one video.
        rounds: times each is run.
        words: text vectors [q, d].
        on_run: told how many runs are done.
    """
    order = take_turns(len(encoders), rounds=rounds)
    results: dict[int, list[Features]] = {}
    seconds: list[float] = []
    for done, number in enumerate(order, start=1):
        start = time.perf_counter()
        results[number] = _encode(encoders[number], excerpt)
        seconds.append(time.perf_counter() - start)
        on_run(done)
    shares = shares_of_time(order, seconds)
    observations = []
    for number in range(len(encoders)):
        spent = [time_s for setting, time_s in zip(order, seconds, strict=True) if setting == number]
        count = -1 if excerpt.goes_on else None
        cosines, scores = _compare(results[0], results[number], words=words, count=count)
        macs = sum(part.macs for part in results[number])
        if excerpt.goes_on:
            macs -= sum(_closing_macs(encoders[number], part) for part in results[number])
        observations.append(
            Observation(
                cosines=cosines,
                macs=macs,
                seconds=float(np.median(spent)),
                time_shares=shares[number],
                scores=scores,
            )
        )
    return observations


def _encode(encoder: VideoEncoder, excerpt: Excerpt) -> list[Features]:
    """Each stretch as a video of its own."""
    blocks = (Block(number, part, last=True) for number, part in enumerate(excerpt.stretches))
    parts: dict[object, list[Features]] = {}
    for key, features in encoder.encode_stream(blocks):
        parts.setdefault(key, []).append(features)
    return [Features.concatenate(parts[number]) for number in range(len(excerpt.stretches))]


def _compare(
    full: Sequence[Features], other: Sequence[Features], *, words: Tensor, count: int | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """One setting's stretches against the full encoder's: cosines [t] and scores [t, q].

    Args:
        count: where to stop in each stretch. If the video goes on after it, its last frame is left out: in the whole
            video it would be the first of the next group.
    """
    cosines = [cosines_to(mine, its)[:count] for mine, its in zip(full, other, strict=True)]
    scores = [(part.vectors[:count] @ words.T).numpy() for part in other]
    return np.concatenate(cosines), np.concatenate(scores)


def _closing_macs(encoder: VideoEncoder, part: Features) -> int:
    """What the last frame of a stretch cost: its share of a budget, which is planned for all frames, or an I-frame."""
    if encoder.method.interleave is None:
        return round(part.macs / len(part))
    return vit_macs(encoder.trunk.config) * int(part.kinds[-1] == "I")
