"""What became of every patch of a frame: computed, reused, merged or dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.methods.change import Change
from vidskim.methods.frames import FrameMethod
from vidskim.methods.residual import Residual
from vidskim.pipeline.features import Trace
from vidskim.video.motion import pixel_difference

FATES = ("computed", "reused", "merged", "dropped")
COMPUTED, REUSED, MERGED, DROPPED = range(len(FATES))

Fates = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class PatchState:
    """What became of one frame's patches. Grids are [gy, gx], one place a patch.

    Args:
        number: of the frame among those sampled.
        time_s: its timestamp.
        kind: "I" or "P".
        fates: COMPUTED, REUSED, MERGED or DROPPED, int8 [gy, gx].
        slots: merged patches with the same number became one token, int64 [gy, gx]; -1 for the others.
        lean: weight of the I-frame after in what a reused patch offers, the rest being the weight of the I-frame
            before; float32 [gy, gx] in 0..1, nan for the others.
        change: mean absolute difference of the pixels to the frame before, pixels in 0..1; 0 for the first frame.
    """

    number: int
    time_s: float
    kind: str
    fates: Fates
    slots: npt.NDArray[np.int64]
    lean: npt.NDArray[np.float32]
    change: float

    def count(self, fate: int) -> int:
        """Patches with this fate."""
        return int((self.fates == fate).sum())

    @property
    def regions(self) -> int:
        """Tokens that the merged patches became."""
        return len(np.unique(self.slots[self.fates == MERGED]))

    @property
    def tokens(self) -> int:
        """Patches computed on their own, and regions."""
        return self.count(COMPUTED) + self.regions

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: which frame, and how many patches of each fate."""
        counts = {name: self.count(fate) for fate, name in enumerate(FATES)}
        return {
            "number": self.number,
            "time_s": self.time_s,
            "kind": self.kind,
            **counts,
            "regions": self.regions,
            "change": self.change,
        }


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive frames of a video that were encoded together, after the frame before them.

    Args:
        pixels: prepared [t, 3, y, x].
        times_s: float64 [t].
        kinds: "I" or "P" [t].
        first: number of frame 0 among those sampled.
        led: whether frame 0 is the frame before; without it the stretch begins the video.
    """

    pixels: Tensor
    times_s: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.str_]
    first: int
    led: bool


def read_states(
    stretch: Stretch,
    trace: Trace,
    method: FrameMethod,
    *,
    std: Sequence[float],
    grid: int,
    between: int | None = None,
) -> list[PatchState]:
    """What became of the patches of a stretch.

    Args:
        stretch: the frames.
        trace: of its P-frames.
        method: what made the trace; it decides what becomes of patches that are not computed.
        std: the preparation's standard deviation [3].
        grid: patches along one side of an I-frame.
        between: the same of a P-frame, where it is another.

    Returns:
        One state a frame, without the frame before. What is merged is as after the last block.
    """
    change = _difference(stretch.pixels[1:], stretch.pixels[:-1], std, grid).mean(dim=1).tolist()
    leans = _leans(stretch, trace, method, Change(stretch.pixels, std=torch.tensor(std), grid=grid))
    rows = {number: row for row, number in enumerate(trace.frames.tolist())}
    states = []
    for place in range(int(stretch.led), len(stretch.kinds)):
        number, kind = stretch.first + place, str(stretch.kinds[place])
        side = grid if kind == "I" or between is None else between
        fates = np.full(side * side, COMPUTED, dtype=np.int8)
        slots = np.full(side * side, -1, dtype=np.int64)
        lean = np.full(side * side, np.nan, dtype=np.float32)
        if kind == "P":
            fates, slots = _fates(trace, rows[number], method, patches=side * side)
            if (reused := fates == REUSED).any():
                lean[reused] = leans[rows[number]][reused]
        state = PatchState(
            number=number,
            time_s=float(stretch.times_s[place]),
            kind=kind,
            fates=fates.reshape(side, side),
            slots=slots.reshape(side, side),
            lean=lean.reshape(side, side),
            change=([0.0, *change])[place],
        )
        states.append(state)
    return states


def token_shares(states: Sequence[PatchState]) -> npt.NDArray[np.float64]:
    """Each frame's tokens over the patches of the largest frame, [t] in 0..1."""
    largest = max(state.fates.size for state in states)
    return np.array([state.tokens for state in states]) / largest


def _fates(
    trace: Trace, row: int, method: FrameMethod, *, patches: int
) -> tuple[Fates, npt.NDArray[np.int64]]:
    """Fates and slots of a P-frame's patches [n]; a patch alone in its slot is computed, not merged."""
    fates = np.full(patches, DROPPED if isinstance(method, Residual) else REUSED, dtype=np.int8)
    kept = trace.kept[row].numpy()
    fates[kept[kept >= 0]] = COMPUTED
    if trace.slots is None:
        return fates, np.full(patches, -1, dtype=np.int64)
    slots = trace.slots[row, -1].numpy()
    merged = (np.bincount(slots)[slots] > 1) & (fates == COMPUTED)
    fates[merged] = MERGED
    return fates, np.where(merged, slots, -1)


def _leans(stretch: Stretch, trace: Trace, method: FrameMethod, change: Change) -> npt.NDArray[np.float32]:
    """Weight of the I-frame after in P-frames [p, n]: by the patch's change if the method blends so, else by time."""
    frames = trace.frames - stretch.first
    previous, following = (trace.links - stretch.first).unbind(dim=1)
    if method.records:
        before, after = (change.between(frames.tolist(), side.tolist()) for side in (previous, following))
        tiny = torch.finfo(before.dtype).tiny  # a patch that equals both leans on both
        share = (before + tiny) / (before + after + 2 * tiny)
    else:
        times = torch.from_numpy(stretch.times_s)
        span = (times[following] - times[previous]).clamp(min=torch.finfo(times.dtype).tiny)
        share = ((times[frames] - times[previous]) / span)[:, None].expand(-1, change.grid**2)
    only = (previous > frames).to(share.dtype)[:, None]  # the one I-frame may be the one after
    leans: npt.NDArray[np.float32] = (
        torch.where((previous == following)[:, None], only, share).float().numpy()
    )
    return leans


def _difference(frames: Tensor, others: Tensor, std: Sequence[float], grid: int) -> Tensor:
    return pixel_difference(frames, others, std=torch.tensor(std), grid=grid)
