"""Retrieval and grounding on the synthetic world, where the truth is exact: for a model, and for perfect signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError
from vidskim.evaluate.metrics import mean_interval_iou, recall_at
from vidskim.evaluate.ranking import rank_with_ties
from vidskim.synth.annotate import Annotation
from vidskim.synth.captions import PLACES, SIZE_WORDS
from vidskim.tasks.ground import frame_distance_s, ground, smooth

Floats = npt.NDArray[np.float64]
POOL = 50
SEARCH_WINDOW_S = 5 / 3  # five frames at 3 frames/s
DRAWS = 10  # of one event for each video of a pool


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How well signals find what the captions say; all shares 0..1.

    Args:
        caption_r1: the caption of an event is first among those of `POOL` videos, one each.
        event_r1: the event of a caption is first among the same.
        video_r1: searching whole videos, by their best moment, finds the one with the event first among `POOL`.
        r1: R@1 of grounding in the event's own video at IoU 0.3, 0.5 and 0.7.
        miou: mean IoU of the first moment.
    """

    caption_r1: float
    event_r1: float
    video_r1: float
    r1: tuple[float, float, float]
    miou: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """What a model, or an oracle, says about every frame and every query.

    Args:
        times_s: video -> times of its frames, float64 [t].
        similarity: video -> [t, q], one column for each annotation, in order.
    """

    times_s: Mapping[str, Floats]
    similarity: Mapping[str, Floats]


def judge(
    signals: Signals,
    annotations: Sequence[Annotation],
    *,
    window_s: float = 5.0,
    factor: float = 1.0,
    seed: int = 0,
) -> Judgement:
    """All figures of one set of signals.

    Args:
        signals: of every video that `annotations` name.
        annotations: the events; the first caption of each is the query.
        window_s: moving average of the grounding, in seconds.
        factor: of the grounding's threshold.
        seed: of the draws of events into pools.

    Raises:
        SettingsError: fewer than two videos.
    """
    caption, event, video = _ranking(signals, annotations, np.random.default_rng(seed))
    proposals, truths = [], []
    for query, annotation in enumerate(annotations):
        found = ground(
            signals.similarity[annotation.video][:, query],
            signals.times_s[annotation.video],
            duration_s=annotation.duration_s,
            window_s=window_s,
            factor=factor,
        )
        proposals.append(found.intervals)
        truths.append((annotation.start_s, annotation.end_s))
    truth = np.array(truths)
    bars = [recall_at(proposals, truth, k=1, iou=bar) for bar in (0.3, 0.5, 0.7)]
    return Judgement(
        caption_r1=caption,
        event_r1=event,
        video_r1=video,
        r1=(bars[0], bars[1], bars[2]),
        miou=mean_interval_iou(proposals, truth),
    )


def perfect_signals(times_s: Mapping[str, Floats], annotations: Sequence[Annotation]) -> Signals:
    """An oracle that knows each event: 1 while it runs, 0 elsewhere and in every other video."""
    similarity = {name: np.zeros((len(times), len(annotations))) for name, times in times_s.items()}
    for query, annotation in enumerate(annotations):
        similarity[annotation.video][:, query] = _running(annotation, times_s[annotation.video])
    return Signals(times_s=times_s, similarity=similarity)


def look_signals(times_s: Mapping[str, Floats], annotations: Sequence[Annotation]) -> Signals:
    """An oracle that sees single frames: 1 where an actor fits all the caption says but the action.

    Two that fit alike are told apart by chance, through noise far below any difference.
    """
    generator = np.random.default_rng(0)
    similarity = {
        name: 1e-6 * generator.standard_normal((len(times), len(annotations)))
        for name, times in times_s.items()
    }
    for query, asked in enumerate(annotations):
        for shown in annotations:
            if _fits(shown, asked):
                similarity[shown.video][:, query] += _running(shown, times_s[shown.video])
    return Signals(times_s=times_s, similarity=similarity)


def chance_signals(times_s: Mapping[str, Floats], annotations: Sequence[Annotation]) -> Signals:
    """Noise for every frame and query."""
    generator = np.random.default_rng(0)
    similarity = {
        name: generator.standard_normal((len(times), len(annotations))) for name, times in times_s.items()
    }
    return Signals(times_s=times_s, similarity=similarity)


def _running(annotation: Annotation, times_s: Floats) -> Floats:
    inside: Floats = ((times_s >= annotation.start_s) & (times_s < annotation.end_s)).astype(np.float64)
    return inside


def _fits(shown: Annotation, asked: Annotation) -> bool:
    """Whether an event agrees with everything another one's caption says about looks and background."""
    caption = asked.captions[0]
    says_size = any(f"{word} " in caption for words in SIZE_WORDS.values() for word in words)
    says_place = any(phrase in caption for phrases in PLACES.values() for phrase in phrases)
    return (
        shown.look.shape == asked.look.shape
        and shown.look.colour == asked.look.colour
        and (shown.look.size == asked.look.size or not says_size)
        and (shown.background == asked.background or not says_place)
    )


def _ranking(
    signals: Signals, annotations: Sequence[Annotation], generator: np.random.Generator
) -> tuple[float, float, float]:
    """R@1 of captions for events, events for captions, and videos for captions, averaged over pools and draws."""
    of_video: dict[str, list[int]] = {}
    for query, annotation in enumerate(annotations):
        of_video.setdefault(annotation.video, []).append(query)
    names = sorted(of_video)
    if len(names) < 2:
        raise SettingsError(f"ranking needs two videos or more with events, received {len(names)}")
    size = min(POOL, len(names))
    scores: list[tuple[float, float, float]] = []
    for start in range(0, len(names) - size + 1, size):
        pool = names[start : start + size]
        best = np.stack([_best_moment(signals, name) for name in pool])  # video, query of any video
        for _ in range(DRAWS):
            drawn = [int(generator.choice(of_video[name])) for name in pool]
            within = np.stack([_event_mean(signals, annotations[query])[drawn] for query in drawn])
            truth = np.arange(size)
            scores.append(
                (
                    rank_with_ties(within, truth).recall(1),
                    rank_with_ties(within.T, truth).recall(1),
                    rank_with_ties(best[:, drawn].T, truth).recall(1),
                )
            )
    caption, event, video = np.mean(scores, axis=0)
    return float(caption), float(event), float(video)


def _event_mean(signals: Signals, annotation: Annotation) -> Floats:
    """Mean similarity of an event's frames to every query, [q]."""
    times = signals.times_s[annotation.video]
    inside = _running(annotation, times) > 0
    mean: Floats = signals.similarity[annotation.video][inside].mean(axis=0)
    return mean


def _best_moment(signals: Signals, name: str) -> Floats:
    """The best smoothed similarity in a video to every query, [q]."""
    similarity, distance = signals.similarity[name], frame_distance_s(signals.times_s[name])
    window = min(len(similarity), max(1, round(SEARCH_WINDOW_S / distance)))
    return np.array([smooth(column, window).max() for column in similarity.T])
