"""Zero-shot temporal grounding: where in one video is what a sentence says. No training, no sliding windows.

    signal = similarity(features.vectors, model.encode_text(["a dog catches a ball"])[0])
    for moment in ground(signal, features.times_s).moments:
        print(moment.start_s, moment.end_s, moment.score)

Source: ResidualViT (arXiv 2509.13255), zero-shot natural-language grounding: smooth the similarity of each frame,
take the runs at or above a share of the mean, rank them by their maximum.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn.functional import normalize

from vidskim.errors import SettingsError
from vidskim.tasks.moment import Moment

Floats = npt.NDArray[np.float64]

WINDOW_S = 5.0  # 15 frames at 3 frames/s, the published setting for Charades-STA
LONE_FRAME_S = 1.0  # how long a frame is taken to be shown when nothing tells
LEAST_PROPOSALS = 5  # the released evaluation pads up to this many
_GAP = 2.5  # a distance above this many medians is a gap, not the frame rate


@dataclass(frozen=True, eq=False)
class Grounding:
    """Where a sentence is in a video, and the curve it was read from.

    Args:
        moments: best first; equal scores in order of time. May be empty if the factor is above 1.
        signal: similarity of each frame, float64 [t].
        smoothed: the same after the moving average, float64 [t].
        threshold: frames with `smoothed >= threshold` are in a moment.
        times_s: time of each frame in seconds, float64 [t].

    Raises:
        SettingsError: lengths do not agree, the threshold is not finite, or the moments are out of order.
    """

    moments: tuple[Moment, ...]
    signal: Floats
    smoothed: Floats
    threshold: float
    times_s: Floats

    def __post_init__(self) -> None:
        shapes = [values.shape for values in (self.signal, self.smoothed, self.times_s)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1:
            raise SettingsError(f"expected signal, smoothed and times_s of one shape [t], received {shapes}")
        if not math.isfinite(self.threshold):
            raise SettingsError(f"threshold must be finite, received {self.threshold}")
        scores = [moment.score for moment in self.moments]
        if scores != sorted(scores, reverse=True):
            raise SettingsError(f"moments must come best first, received scores {scores}")

    @property
    def intervals(self) -> Floats:
        """Start and end of each moment in seconds, best first: [n, 2], as `evaluate.metrics` takes them."""
        pairs = [(moment.start_s, moment.end_s) for moment in self.moments]
        return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def similarity(vectors: Tensor, query: Tensor) -> Floats:
    """Cosine of each frame to a text.

    Args:
        vectors: [t, d], of any length and floating type.
        query: [d], one text.

    Returns:
        float64 [t], -1 to 1; 0 for a vector of zeros.

    Raises:
        SettingsError: the shapes do not fit.
    """
    if vectors.ndim != 2 or query.shape != vectors.shape[1:]:
        raise SettingsError(
            f"expected vectors [t, d] and a query [d], received {list(vectors.shape)} and {list(query.shape)}; "
            "ground one text at a time, as encode_text(...)[0], made by the same model"
        )
    frames = normalize(vectors.detach().cpu().float(), dim=1)
    text = normalize(query.detach().cpu().float(), dim=0)
    return (frames @ text).double().numpy()


def smooth(signal: npt.ArrayLike, window: int) -> Floats:
    """Centred moving average; at the edges the mean over the frames there are.

    Args:
        signal: [t], finite.
        window: frames, 1 or more; 1 changes nothing. An even window holds one more frame before than after:
            frame i is the mean of i - window/2 to i + window/2 - 1.

    Returns:
        float64 [t].

    Raises:
        SettingsError: the signal is empty, not one row or not finite, or the window is below 1.
    """
    values = _checked("signal", signal)
    if not isinstance(window, int | np.integer) or window < 1:
        raise SettingsError(f"the window must be a whole number of frames, 1 or more, received {window}")
    if window == 1:
        return values.copy()
    t, at = len(values), np.arange(len(values))
    first = np.maximum(at - min(window // 2, t), 0)
    stop = np.minimum(at + min((window - 1) // 2, t) + 1, t)
    # relative to the first value, so that a constant signal stays exactly constant
    sums = np.concatenate([[0.0], np.cumsum(values - values[0])])
    means: Floats = values[0] + (sums[stop] - sums[first]) / (stop - first)
    return means


def ground(
    signal: npt.ArrayLike,
    times_s: npt.ArrayLike,
    *,
    duration_s: float | None = None,
    window_s: float | None = WINDOW_S,
    window_frames: int | None = None,
    factor: float = 1.0,
    faithful: bool = False,
) -> Grounding:
    """The stretches of a video where a signal is high: runs of smoothed frames at or above a share of their mean.

    A moment lasts from its first frame to the frame after its last; at the end of the video, to the end.

    Args:
        signal: similarity of each frame, [t], t at least 1.
        times_s: time of each frame in seconds, [t], never decreasing; it may start anywhere.
        duration_s: the video's end on the clock of `times_s`. None, or an end that is not after the last frame (headers
            err), means the last frame's time plus the distance between frames; a lone frame is given a second.
        window_s: width of the moving average in seconds, made an odd number of frames; None does not smooth.
        window_frames: the width in frames instead; takes the place of `window_s`.
        factor: threshold over the mean, 0 or more; below 1 more is kept. Where the mean is negative it counts
            on the mean's size (mean - (1 - factor) * |mean|), so that below 1 keeps more there too.
        faithful: reproduce the released evaluation, for comparison with published numbers: seconds are frame numbers
            over the frame rate, a run at the end stops one frame short, videos of at most one window are not
            smoothed, the factor multiplies negative means as well, and fewer than five moments are filled up with the
            whole video, at the signal's smallest score. Published runs have `window_frames=15`, on
            ActivityNet-Captions with `factor=0.95`.

    Returns:
        The moments, best first, and the curve; seconds on the clock of `times_s` (`faithful`: from 0).

    Raises:
        SettingsError: signal or times are empty, not finite or of different lengths, times decrease, or a setting is
            out of range.

    Source: ResidualViT, zero-shot grounding (their evaluation of NLTVG).
    """
    raw, times = _checked("signal", signal), _checked("times_s", times_s)
    _check_settings(raw, times, duration_s, window_s, factor)
    distance_s = frame_distance_s(times)
    window = window_frames if window_frames is not None else _odd_frames(window_s, distance_s, len(raw))
    smoothed = smooth(raw, 1 if faithful and len(raw) <= window else window)
    mean = float(smoothed[0] + (smoothed - smoothed[0]).mean())  # exact for a constant signal
    threshold = factor * mean if faithful else mean - (1 - factor) * abs(mean)
    first, stop, scores = _runs(smoothed, threshold)
    if faithful:
        moments = _as_released(first, stop, scores, distance_s, len(raw))
        whole = Moment(0.0, duration_s or len(raw) * distance_s, float(smoothed.min()))
        moments += [whole] * (LEAST_PROPOSALS - len(moments))
    else:
        end_s = times[-1] + distance_s if duration_s is None or duration_s <= times[-1] else duration_s
        # frames of one time are shown as one: a run's end is the next later time
        after = np.append(times, end_s)[np.searchsorted(times, times[stop - 1], side="right")]
        moments = [Moment(*map(float, row)) for row in zip(times[first], after, scores, strict=True)]
    return Grounding(tuple(moments), raw, smoothed, threshold, times)


def frame_distance_s(times_s: Floats) -> float:
    """Seconds from a frame to the next: their mean, without gaps.

    The median alone is off where the wanted rate does not divide the video's own (3 frames/s of 10 gives 0.3, 0.3,
    0.4 s), and the mean where a stretch is missing.

    Args:
        times_s: [t], never decreasing.

    Returns:
        Above 0; one second if there is a single time.
    """
    distances = np.diff(times_s)
    moving = distances[distances > 0]
    if not len(moving):
        return LONE_FRAME_S
    return float(distances[distances <= _GAP * np.median(moving)].mean())


def _odd_frames(window_s: float | None, distance_s: float, t: int) -> int:
    """Seconds as the nearest odd number of frames; none is one frame. 2 t + 1 frames already hold every video of t."""
    if window_s is None:
        return 1
    return 2 * int(min(window_s / distance_s / 2, t)) + 1


def _runs(smoothed: Floats, threshold: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Maximal runs of frames at or above a threshold, best first: first frame, frame after the last, maximum."""
    above = smoothed >= threshold
    edges = np.flatnonzero(np.diff(above, prepend=False, append=False))
    first, stop = edges[::2], edges[1::2]
    scores = np.maximum.reduceat(np.where(above, smoothed, -np.inf), first) if len(first) else np.zeros(0)
    order = np.argsort(-scores, kind="stable")
    return first[order], stop[order], scores[order]


def _as_released(
    first: npt.NDArray[np.int64],
    stop: npt.NDArray[np.int64],
    scores: Floats,
    distance_s: float,
    t: int,
) -> list[Moment]:
    """Runs in seconds as the released evaluation gives them: number over rate, one frame short at the end."""
    fps = 1 / distance_s
    ends = np.minimum(stop, t - 1)
    return [
        Moment(float(a / fps), float(b / fps), float(score))
        for a, b, score in zip(first, ends, scores, strict=True)
    ]


def _checked(name: str, values: npt.ArrayLike) -> Floats:
    """One row of finite numbers as float64 [t], t at least 1."""
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or not len(row):
        raise SettingsError(
            f"expected {name} of shape [t] with t at least 1, received shape {list(row.shape)}"
        )
    bad = np.flatnonzero(~np.isfinite(row))
    if len(bad):
        raise SettingsError(f"{name} must be finite, received {row[bad[0]]} at frame {bad[0]}")
    return row


def _check_settings(
    signal: Floats, times: Floats, duration_s: float | None, window_s: float | None, factor: float
) -> None:
    if len(signal) != len(times):
        raise SettingsError(
            f"expected one time for each frame, received {len(signal)} values and {len(times)} times"
        )
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        at = int(back[0])
        raise SettingsError(
            f"times_s must not decrease, received {times[at]} before {times[at + 1]}; sort the frames by time"
        )
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise SettingsError(
            f"duration_s must be a finite number of seconds above 0, or None if unknown, received {duration_s}"
        )
    if window_s is not None and not (math.isfinite(window_s) and window_s > 0):
        raise SettingsError(
            f"window_s must be a finite number of seconds above 0, or None not to smooth, received {window_s}"
        )
    if not (math.isfinite(factor) and factor >= 0):
        raise SettingsError(f"factor must be a finite number, 0 or more, received {factor}")
