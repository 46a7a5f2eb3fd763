"""What `residual` and `reuse` share: P-frames in which only some patches are computed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from vidskim.methods.choose import MOVING, Budget, patch_difference
from vidskim.methods.frames import Batch, Between, FrameMethod, batches
from vidskim.models.vit import VisionTransformer, unit

# Given rows of P-frames [b] and their chosen patches [b, k], features [b, dim], not normalised.
Encode = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Selective(FrameMethod):
    """Base of the methods that choose patches.

    Args:
        std: the preparation's standard deviation [3].
        interleave: P-frames for each I-frame, N.
        keep, threshold, select, seed: see `Budget`.
    """

    std: Tensor = field(metadata={"part": True})
    interleave: int = 2
    keep: float = 0.15
    threshold: float | None = None
    select: str = "auto"
    seed: int | None = 0

    def __post_init__(self) -> None:
        _ = self.budget  # checks the settings it is made of

    @property
    def budget(self) -> Budget:
        """How patches are chosen."""
        return Budget(self.select, self.keep, self.threshold, self.seed)

    @property
    def asks_motion(self) -> bool | Literal["signed"]:
        """Only when told to: decoding with motion vectors is slower."""
        return "signed" if self.select == "motion-signed" else self.select == "motion"

    @property
    def uses_motion(self) -> bool:
        """Whether motion makes a difference where there is any."""
        return self.select in MOVING

    @property
    def idle(self) -> tuple[str, ...]:
        """A threshold takes the place of a fixed share."""
        return () if self.threshold is None else ("keep",)

    def difference(self, trunk: VisionTransformer, batch: Batch, rows: Tensor) -> Tensor:
        """Change of the P-frames' patches against the I-frames in `rows` of the layout's anchors: [p, n]."""
        others = batch.layout.anchors[rows]
        return patch_difference(
            batch.pixels, batch.layout.between, others, std=self.std, grid=trunk.config.grid
        )

    def encode_chosen(
        self, trunk: VisionTransformer, batch: Batch, difference: Tensor | None, *, extra: int, encode: Encode
    ) -> Between:
        """Choose patches and encode the P-frames, those with equally many patches together.

        Args:
            trunk: the vision tower.
            batch: with its I-frames encoded.
            difference: change of each P-frame's patches [p, n], if the budget needs it.
            extra: tokens beside the chosen patches, for the size of batches.
            encode: features of some P-frames.
        """
        device = batch.pixels.device
        kept, counts, scores = self.budget.choose(batch.layout, batch.segments, trunk.config.grid, difference)
        vectors = torch.empty(len(kept), trunk.config.dim, device=device)
        for count in sorted(set(counts.tolist())):
            for rows in batches((counts == count).nonzero()[:, 0], extra + count, device):
                vectors[rows] = unit(encode(rows, kept[rows, :count].to(device)))
        return Between(vectors, kept, scores)
