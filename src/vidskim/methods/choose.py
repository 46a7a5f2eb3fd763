"""Which patches of a P-frame are recomputed: one rule for `residual` and `reuse`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.layout import Layout, Segment
from vidskim.tokens import select as rules
from vidskim.video.motion import pixel_difference

MOVING = ("auto", "motion", "motion-signed")  # read the motion that comes with a video
MAPPED = (*MOVING, "residuals")  # take maps that are handed in, and measure pixels where there are none
FIXED: dict[str, Callable[[int, int], Tensor]] = {  # the same patches in every frame
    "uniform": lambda grid, count: rules.uniform(grid * grid, count),
    "center": rules.center,
    "center-released": rules.center_released,
}
SELECTIONS = (*MAPPED, "difference", "random", *FIXED)
TIE_NOISE = 1e-6


class Measure(Protocol):
    """Change of each patch between frames, [b, 3, y, x] twice -> [b, grid * grid]."""

    def __call__(self, frames: Tensor, others: Tensor, *, std: Tensor, grid: int) -> Tensor: ...


@dataclass(frozen=True)
class Budget:
    """How patches are chosen, and how many.

    Args:
        select: "difference" (change of the pixels against the I-frames); "motion" (length of codec motion vectors, or
            the difference where a video has none); "auto" (the same, but the reader is not asked for vectors, which
            cost decoding time: motion counts where it is handed in); "motion-signed" (as "motion", the signed sum of
            the vectors' x and y, as ResidualViT's code has it); "residuals" (prediction residuals that are handed in;
            where there are none, the method measures the pixels); "random", "uniform", "center" or
            "center-released" (as ResidualViT's code has it).
        keep: share of patches, above 0 and at most 1.
        threshold: if set, patches whose mean absolute pixel difference (pixels in 0..1) is above it are kept instead of
            a fixed share; counts then vary from frame to frame. Only with "difference".
        seed: of the random numbers; None is torch's global generator.

    Raises:
        SettingsError: a value is outside its range.
    """

    select: str
    keep: float
    threshold: float | None
    seed: int | None

    def __post_init__(self) -> None:
        if self.select not in SELECTIONS:
            raise unknown_name("select", self.select, SELECTIONS)
        rules.kept_count(1, self.keep)
        if self.threshold is not None and not self.threshold >= 0:
            raise SettingsError(
                f"threshold is a mean pixel difference of at least 0; received {self.threshold}"
            )
        if self.threshold is not None and self.select != "difference":
            raise SettingsError(f'threshold goes with select="difference"; received select={self.select!r}')

    def needs_difference(self, segments: Sequence[Segment]) -> bool:
        """Whether `choose` will ask for pixel differences."""
        unmoved = self.select in MAPPED and any(segment.motion is None for segment in segments)
        return self.select == "difference" or unmoved

    def choose(
        self,
        layout: Layout,
        segments: Sequence[Segment],
        grid: int,
        difference: Tensor | None,
        *,
        counts: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Kept patches of every P-frame.

        Args:
            layout: of the batch.
            segments: the batch.
            grid: patches along one side.
            difference: change of each P-frame's patches against its I-frames [p, n]; see `needs_difference`.
            counts: patches to keep in each P-frame [p], where neither `keep` nor `threshold` decides.

        Returns:
            Kept patches [p, k], padded with -1 where counts vary; counts [p]; the scores they were chosen by [p, n],
            or None.
        """
        frames, patches = len(layout.between), grid * grid
        scores = None
        if self.select not in FIXED:
            scores = self._scores(layout, segments, patches, difference)
        if counts is None:
            counts = torch.full((frames,), rules.kept_count(patches, self.keep))
            if self.threshold is not None and scores is not None:
                counts = rules.counts_above(scores, self.threshold)
        most = int(counts.max())
        if scores is None:
            # a pattern of few patches is not the beginning of one of many
            patterns = {count: FIXED[self.select](grid, count) for count in set(counts.tolist())}
            kept = torch.stack([pad(patterns[count], (0, most - count)) for count in counts.tolist()])
        else:
            kept = rules.top(scores, most)
        return kept.masked_fill(torch.arange(most) >= counts[:, None], -1), counts, scores

    def _scores(
        self, layout: Layout, segments: Sequence[Segment], patches: int, difference: Tensor | None
    ) -> Tensor:
        if self.select == "difference" and difference is not None:
            return difference
        ties = 0.0 if self.select == "residuals" else TIE_NOISE
        rows, base = [], 0
        for number, segment in enumerate(segments):
            mine = layout.segment == number
            numbers = layout.between[mine] - base + segment.first
            noise = self._noise(numbers, patches)
            if self.select == "random":
                rows.append(noise)
            elif segment.motion is not None:
                motion = segment.motion[layout.between[mine] - base].flatten(1).float()
                rows.append(motion + ties * noise)
            elif difference is not None:
                rows.append(difference[mine])
            base += len(segment.pixels)
        return torch.cat(rows)

    def _noise(self, numbers: Tensor, patches: int) -> Tensor:
        """Noise for the frames with these numbers in their video, [p] -> [p, patches]."""
        if self.seed is None:
            return rules.random_scores(len(numbers), patches, None)
        # each frame draws for itself, so the choice does not depend on where segments and batches end
        noise = torch.empty(len(numbers), patches)
        for row, number in enumerate(numbers.tolist()):
            noise[row] = rules.random_scores(1, patches, torch.Generator().manual_seed(self.seed + number))
        return noise


def patch_difference(
    pixels: Tensor,
    frames: Tensor,
    others: Tensor,
    *,
    std: Tensor,
    grid: int,
    measure: Measure = pixel_difference,
) -> Tensor:
    """`pixel_difference`, or another measure of the same form, of many pairs of frames of one batch.

    Args:
        pixels: normalised frames [t, 3, y, x].
        frames: numbers of the P-frames, int64 [p].
        others: numbers of the frames they are compared with, int64 [p].
        std: the normalisation's standard deviation [3]; the mean cancels.
        grid: patches along one side.
        measure: of a frame and the one it is compared with.

    Returns:
        float32 [p, grid * grid] on the CPU.
    """
    # frame by frame, so that frames are read where they lie instead of being gathered
    changes = [
        measure(pixels[frame : frame + 1], pixels[other : other + 1], std=std, grid=grid)
        for frame, other in zip(frames.tolist(), others.tolist(), strict=True)
    ]
    return torch.cat(changes).cpu()
