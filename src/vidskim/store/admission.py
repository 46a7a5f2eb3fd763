"""What may enter a store: vectors that a search can rely on. Anything else is refused, never repaired.

An encoder that fails in silence gives vectors that are not finite, zero, or the same number throughout; one that skips
normalisation gives lengths other than one, and its cosines would outrank all others. Frames of one video may be equal:
a still picture makes them so.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vidskim.errors import StoreError
from vidskim.store.records import Floats, Frames, LevelVectors, Vectors

UNIT_TOLERANCE = 1e-3


def admit(
    vectors: Tensor | Vectors,
    *,
    start_s: Sequence[float] | Floats,
    end_s: Sequence[float] | Floats,
    kinds: Sequence[str] | NDArray[np.str_],
    dimensions: int,
    name: str,
) -> Frames:
    """Check one video's vectors and times.

    Args:
        vectors: float32 [t, d], unit length within 0.001.
        start_s: seconds [t], never falling.
        end_s: seconds [t], each after its start.
        kinds: "I" or "P", [t].
        dimensions: d of the store.
        name: of the video, for the message.

    Raises:
        StoreError: shapes, times or kinds do not fit, or a vector is not finite, zero, constant or not of unit length.
    """
    array = vectors.detach().cpu().numpy() if isinstance(vectors, Tensor) else np.asarray(vectors)
    if array.ndim != 2 or array.dtype != np.float32 or array.shape[1] != dimensions or not len(array):
        raise StoreError(
            f"{name}: expected vectors float32 [t, {dimensions}] with t of 1 or more, "
            f"received {array.dtype} {list(array.shape)}"
        )
    starts, ends = np.asarray(start_s, np.float64), np.asarray(end_s, np.float64)
    _check_times(starts, ends, count=len(array), name=name)
    letters = np.asarray(kinds, np.str_)
    if letters.shape != (len(array),) or not np.isin(letters, ("I", "P")).all():
        odd = sorted(set(letters.ravel().tolist()) - {"I", "P"})
        received = f"{list(letters.shape)} with {odd}" if odd else f"{list(letters.shape)}"
        raise StoreError(
            f'{name}: expected kinds of shape [{len(array)}], each "I" or "P", received {received}'
        )
    _check_vectors(array, starts, name)
    return Frames(np.ascontiguousarray(array), starts, ends, letters)


def admit_levels(levels: LevelVectors, *, dimensions: int, name: str) -> tuple[Frames, Frames]:
    """Check the vectors of one video's segments and of the whole of it; both as rows.

    Raises:
        StoreError: as `admit`.
    """
    starts, ends = np.asarray(levels.start_s, np.float64), np.asarray(levels.end_s, np.float64)
    segments = admit(
        levels.segments,
        start_s=starts,
        end_s=ends,
        kinds=["I"] * len(levels),
        dimensions=dimensions,
        name=f"{name}, segments",
    )
    whole = admit(
        levels.whole[None],
        start_s=starts[:1],
        end_s=ends[-1:],
        kinds=["I"],
        dimensions=dimensions,
        name=f"{name}, the whole video",
    )
    return segments, whole


def check_query(query: Tensor | Vectors, *, dimensions: int) -> Vectors:
    """A query as float32 [d] of unit length.

    Raises:
        StoreError: it is of another shape, not finite or not of unit length.
    """
    array = query.detach().cpu().float().numpy() if isinstance(query, Tensor) else np.asarray(query)
    if array.shape != (dimensions,):
        raise StoreError(f"expected a query of shape [{dimensions}], received {list(array.shape)}")
    array = np.ascontiguousarray(array, np.float32)
    length = float(np.linalg.norm(array))
    if not abs(length - 1) <= UNIT_TOLERANCE:
        raise StoreError(
            f"expected a query of length 1, received length {length:.4g}; divide it by its length, and look "
            "into the text encoder if that is 0 or not a number"
        )
    return array


def _check_times(starts: Floats, ends: Floats, *, count: int, name: str) -> None:
    if starts.shape != (count,) or ends.shape != (count,):
        shapes = f"{list(starts.shape)} and {list(ends.shape)}"
        raise StoreError(f"{name}: expected start_s and end_s of shape [{count}], received {shapes}")
    if not (np.isfinite(starts).all() and np.isfinite(ends).all()):
        raise StoreError(f"{name}: start_s and end_s must be finite seconds")
    falling = np.flatnonzero(np.diff(starts) < 0)
    if len(falling):
        at = int(falling[0])
        raise StoreError(
            f"{name}: start_s must not fall, received {starts[at]:g} then {starts[at + 1]:g} at frame {at + 1}"
        )
    empty = np.flatnonzero(ends <= starts)
    if len(empty):
        at = int(empty[0])
        raise StoreError(
            f"{name}: end_s must be after start_s, received {starts[at]:g} to {ends[at]:g} at frame {at}"
        )


def _check_vectors(array: Vectors, starts: Floats, name: str) -> None:
    lengths: Floats = np.asarray(np.linalg.norm(array.astype(np.float64), axis=1))
    _refuse(~np.isfinite(lengths), starts, name, "holds NaN or infinity")
    _refuse(lengths == 0, starts, name, "is all zeros")
    constant = np.ptp(array, axis=1) <= 1e-6 * np.abs(array).max(axis=1)
    _refuse(constant, starts, name, "holds the same number in every component")
    odd = np.abs(lengths - 1) > UNIT_TOLERANCE
    length = f"{lengths[odd][0]:.4g}" if odd.any() else ""
    _refuse(odd, starts, name, f"has length {length}, expected 1 within {UNIT_TOLERANCE}")


def _refuse(wrong: NDArray[np.bool_], starts: Floats, name: str, what: str) -> None:
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise StoreError(
            f"{name}: the vector of frame {at} (at {starts[at]:.2f} s) {what}; so it is in {int(wrong.sum())} of "
            f"{len(wrong)} frames. Nothing was stored: the encoder or its device is at fault; `vidskim doctor` tests it"
        )
