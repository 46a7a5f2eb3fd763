"""How close a method's features are to the full encoder's, and at what share of its cost.

Methods are compared at equal total cost over all frames, the closing I-frame counted: methods whose P-frames are free
(`copy`, `interpolate`) then have a smaller N to spend the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError
from vidskim.pipeline.features import Features


@dataclass(frozen=True)
class Fidelity:
    """One method on one video.

    Args:
        share: MACs over the full encoder's, all frames.
        cosine: mean cosine to the full encoder's features, all frames.
        between: mean over P-frames alone; nan if there are none.
        worst: smallest cosine of any frame.
    """

    share: float
    cosine: float
    between: float
    worst: float


def cosines_to(full: Features, other: Features) -> npt.NDArray[np.float32]:
    """Cosine of each frame's feature to the full encoder's, [t].

    Raises:
        SettingsError: the frames differ.
    """
    if not np.array_equal(full.times_s, other.times_s):
        raise SettingsError(f"the two have other frames: {len(full)} and {len(other)}")
    cosines: npt.NDArray[np.float32] = (full.vectors * other.vectors).sum(dim=1).numpy()
    return cosines


def compare(full: Features, other: Features) -> Fidelity:
    """A method's features against the full encoder's on the same frames.

    Raises:
        SettingsError: the frames differ.
    """
    cosines = cosines_to(full, other)
    between = cosines[other.kinds == "P"]
    return Fidelity(
        share=other.macs / full.macs,
        cosine=float(cosines.mean()),
        between=float(between.mean()) if len(between) else float("nan"),
        worst=float(cosines.min()),
    )


def cosine_at(points: Sequence[Fidelity], share: float) -> float:
    """A share/cosine curve read at a share, linearly between its two neighbouring points.

    Args:
        points: one method's settings along one dial, on one video.
        share: of the full encoder's MACs.

    Returns:
        The mean cosine; the last point's beyond the dearest setting, nan below the cheapest.
    """
    ordered = sorted(points, key=lambda point: point.share)
    shares = [point.share for point in ordered]
    if not ordered or share < shares[0]:
        return float("nan")
    return float(np.interp(share, shares, [point.cosine for point in ordered]))


def at_equal_cost(
    curves: Mapping[str, Mapping[str, Sequence[Fidelity]]], share: float
) -> tuple[str | None, float, float]:
    """The best of several curves at one share: one for all videos, and the best for each.

    Args:
        curves: label of a curve -> video -> its points.
        share: of the full encoder's MACs.

    Returns:
        Label of the curve with the highest mean over videos, that mean, and the mean of each video's own best;
        (None, nan, nan) where no curve reaches the share on every video.
    """
    read = {
        label: [cosine_at(points, share) for points in videos.values()] for label, videos in curves.items()
    }
    whole = {label: values for label, values in read.items() if values and not np.isnan(values).any()}
    if not whole:
        return None, float("nan"), float("nan")
    best = max(whole, key=lambda label: float(np.mean(whole[label])))
    each = np.nanmax(np.array(list(read.values())), axis=0)
    return best, float(np.mean(whole[best])), float(np.mean(each))
