"""What methods cost and lose on somebody's own videos, and which setting is best within a budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vidskim.errors import SettingsError
from vidskim.evaluate.candidates import Candidate, list_candidates
from vidskim.evaluate.clock import take_turns
from vidskim.evaluate.metrics import rank_correlation, top_overlap
from vidskim.evaluate.observe import Observation, observe
from vidskim.evaluate.sample import Excerpt, read_excerpts, spread
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.flow import check_fps
from vidskim.pipeline.sources import Source

Step = Callable[[int, int, str], None]  # runs done, runs in all, video

WARM_UP = 13  # frames
TOP = 0.1  # share of frames that count as a query's best
LOW = 10  # percentile


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One setting on all sampled frames.

    Args:
        candidate: the setting.
        share: MACs over the full encoder's.
        time_share: encoder time over that of the full encoder's runs around it; of each video the median round.
        ms: encoder time of one frame, milliseconds: that share of the full encoder's.
        cosine: mean cosine to the full encoder's features.
        low: a tenth of the frames are below this cosine.
        worst_video: the video with the lowest mean cosine.
        worst: that mean.
        correlation: Spearman's rho of the frames' order under a text query, mean over queries; None without.
        overlap: share of a query's best tenth of frames that is in its best tenth by full features; None without.
    """

    candidate: Candidate
    share: float
    time_share: float
    ms: float
    cosine: float
    low: float
    worst_video: str
    worst: float
    correlation: float | None = None
    overlap: float | None = None

    def numbers(self) -> dict[str, Any]:
        """Everything but the setting, plain JSON values."""
        return {name: value for name, value in asdict(self).items() if name != "candidate"}

    def to_json(self) -> dict[str, Any]:
        """The setting and the numbers, plain JSON values."""
        candidate = self.candidate
        return {"method": candidate.method, "settings": dict(candidate.settings), **self.numbers()}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was measured, and on what.

    Args:
        measurements: the full encoder first.
        videos: name -> {"frames": how many count, "stretches_s": times of the first and last of each stretch}.
        listed: videos there were to sample from.
        failures: name -> why it could not be read.
        fps: frames per second that were sampled, None for every frame.
        rounds: times each setting was run.
        queries: sentences that frames were ranked by.
        machine: {"device", "dtype", "threads"}.
    """

    measurements: Sequence[Measurement]
    videos: Mapping[str, dict[str, Any]]
    listed: int
    failures: Mapping[str, str]
    fps: float | None
    rounds: int
    queries: Sequence[str]
    machine: Mapping[str, Any]

    @property
    def frames(self) -> int:
        """In all."""
        return sum(video["frames"] for video in self.videos.values())

    def conditions(self) -> dict[str, Any]:
        """Everything but the measurements, plain JSON values."""
        return {name: value for name, value in asdict(self).items() if name != "measurements"}


def calibrate(
    encoder: VideoEncoder,
    sources: Sequence[Source],
    *,
    budget: float,
    fps: float | None = 3.0,
    sample: int = 6,
    frames: int = 98,
    rounds: int = 3,
    queries: Sequence[str] = (),
    on_step: Step = lambda done, steps, video: None,
    on_failure: Callable[[str, str], None] = lambda video, message: None,
) -> Report:
    """Measure every candidate on a sample of videos.

    Args:
        encoder: with method="full".
        sources: the videos; the sample is spread over them.
        budget: that will be chosen within, a share of the full encoder's MACs: methods that take one are tried with it.
        fps: frames per second to sample, None for every frame.
        sample: most videos to take, 1 or more.
        frames: most frames to take of each, `WARM_UP` or more.
        rounds: times each setting is run; settings take turns in each round.
        queries: sentences by which frames are ranked; none for a model without text.
        on_step: told how many runs of how many are done, and on which video.
        on_failure: told which video could not be read, and why.

    Raises:
        SettingsError: a number is out of range.
        VidskimError: not one video of the sample could be read.
    """
    check_fps(fps)
    _check_numbers(sample=(sample, 1), frames=(frames, WARM_UP), rounds=(rounds, 1))
    candidates = list_candidates(with_residual=encoder.residual_tokenizer is not None, budget=budget)
    encoders = [encoder.with_method(one.method, **one.settings) for one in candidates]
    words = encoder.encode_text(queries) if queries else torch.empty(0, encoder.dim)
    picked = [sources[number] for number in spread(sample, of=len(sources))]
    failures: dict[str, str] = {}
    fail = partial(_fail, failures, on_failure)
    observed: dict[str, list[Observation]] = {}
    videos: dict[str, dict[str, Any]] = {}
    runs = len(take_turns(len(encoders), rounds=rounds))
    for number, name, excerpt in read_excerpts(picked, encoder, fps=fps, most=frames, on_failure=fail):
        if not observed:
            _warm_up(encoders, excerpt)
        step = partial(_step, on_step, before=number * runs, steps=len(picked) * runs, video=name)
        observed[name] = observe(encoders, excerpt, rounds=rounds, words=words, on_run=step)
        videos[name] = {"frames": excerpt.frames, "stretches_s": excerpt.spans_s}
    return Report(
        measurements=summarise(candidates, observed),
        videos=videos,
        listed=len(sources),
        failures=failures,
        fps=fps,
        rounds=rounds,
        queries=list(queries),
        machine=_machine(encoder),
    )


def _warm_up(encoders: Sequence[VideoEncoder], excerpt: Excerpt) -> None:
    """What is slow only once is not measured."""
    for encoder in encoders:
        encoder.encode_pixels(excerpt.stretches[0].pixels[:WARM_UP])


def _step(on_step: Step, done: int, *, before: int, steps: int, video: str) -> None:
    """Runs of one video, counted on from those of the videos before."""
    on_step(before + done, steps, video)


def _fail(failures: dict[str, str], on_failure: Callable[[str, str], None], video: str, message: str) -> None:
    """Remember why a video could not be read, and pass it on."""
    failures[video] = message
    on_failure(video, message)


def _check_numbers(**numbers: tuple[int, int]) -> None:
    """Refuse what is below its least: name=(value, least)."""
    for name, (value, least) in numbers.items():
        if value < least:
            raise SettingsError(f"{name} must be {least} or more, received {value}")


def _machine(encoder: VideoEncoder) -> dict[str, Any]:
    """What the times hold for."""
    device = encoder.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    dtype = str(encoder.dtype).removeprefix("torch.")
    return {"device": name, "dtype": dtype, "threads": torch.get_num_threads()}


def summarise(
    candidates: Sequence[Candidate], observed: Mapping[str, Sequence[Observation]]
) -> list[Measurement]:
    """One line for each candidate.

    Args:
        candidates: the full encoder first.
        observed: video -> one observation for each candidate.
    """
    columns = [[row[number] for row in observed.values()] for number in range(len(candidates))]
    full_macs = sum(one.macs for one in columns[0])
    weights = [one.macs / full_macs for one in columns[0]]
    full_seconds = sum(one.seconds for one in columns[0])
    full_scores = np.concatenate([one.scores for one in columns[0]])
    measurements = []
    for candidate, column in zip(candidates, columns, strict=True):
        cosines = np.concatenate([one.cosines for one in column])
        means = {name: float(one.cosines.mean()) for name, one in zip(observed, column, strict=True)}
        worst_video = min(means, key=lambda name: means[name])
        medians = [float(np.median(one.time_shares)) for one in column]
        time_share = sum(weight * share for weight, share in zip(weights, medians, strict=True))
        correlation, overlap = _agreement(full_scores, np.concatenate([one.scores for one in column]))
        measurements.append(
            Measurement(
                candidate=candidate,
                share=sum(one.macs for one in column) / full_macs,
                time_share=time_share,
                ms=1000 * time_share * full_seconds / len(cosines),
                cosine=float(cosines.mean()),
                low=float(np.percentile(cosines, LOW)),
                worst_video=worst_video,
                worst=means[worst_video],
                correlation=correlation,
                overlap=overlap,
            )
        )
    return measurements


def _agreement(
    full: npt.NDArray[np.float32], other: npt.NDArray[np.float32]
) -> tuple[float | None, float | None]:
    """Spearman's rho and overlap at the top of two sets of scores [t, q], mean over queries that tell frames apart."""
    pairs = list(zip(full.T, other.T, strict=True))
    rhos = [rho for a, b in pairs if not np.isnan(rho := rank_correlation(a, b))]
    if not rhos:
        return None, None
    return float(np.mean(rhos)), float(np.mean([top_overlap(a, b, share=TOP) for a, b in pairs]))


def check_budget(budget: float) -> None:
    """Refuse a budget that is no share.

    Raises:
        SettingsError: it is out of range.
    """
    if not 0 < budget <= 1:
        raise SettingsError(
            "the budget is a share of the full encoder's multiply-accumulates, above 0 and at most 1 "
            f"(0.4 is 40 %), received {budget:g}"
        )


def choose(measurements: Sequence[Measurement], *, budget: float) -> Measurement | None:
    """The setting with the highest mean cosine within a budget; of equals the cheaper one. Controls are left out.

    Args:
        measurements: of all settings.
        budget: largest share of the full encoder's MACs, above 0 and at most 1.

    Returns:
        None if nothing is so cheap.

    Raises:
        SettingsError: the budget is out of range.
    """
    check_budget(budget)
    within = [one for one in measurements if one.candidate.role != "control" and one.share <= budget]
    return max(within, key=lambda one: (one.cosine, -one.share), default=None)
