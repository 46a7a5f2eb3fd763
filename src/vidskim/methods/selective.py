"""What `residual` and `reuse` share: P-frames in which only some patches are computed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from vidskim.methods.choose import MOVING
from vidskim.methods.frames import FrameMethod, batches
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer, unit

# Given rows of P-frames [b] and their chosen patches [b, k]: embedded tokens [b, n, d], and how they are reduced.
Enter = Callable[[Tensor, Tensor], tuple[Tensor, Reduction]]


@dataclass(frozen=True, kw_only=True)
class Selective(FrameMethod):
    """Base of the methods that choose patches.

    Args:
        std: the preparation's standard deviation [3].
        threshold, select, seed: see `Budget`.
    """

    std: Tensor = field(metadata={"part": True})
    threshold: float | None = None
    select: str = "auto"
    seed: int | None = 0

    @property
    def asks_motion(self) -> bool | Literal["signed"]:
        """Only when told to: decoding with motion vectors is slower."""
        return "signed" if self.select == "motion-signed" else self.select == "motion"

    @property
    def uses_motion(self) -> bool:
        """Whether motion makes a difference where there is any."""
        return self.select in MOVING

    def encode_rows(
        self, trunk: VisionTransformer, kept: Tensor, counts: Tensor, *, extra: int, enter: Enter
    ) -> Tensor:
        """Encode P-frames; those with equally many patches are one batch, and small batches go together.

        Args:
            trunk: the vision tower.
            kept: chosen patches [p, k], padded where counts vary.
            counts: of each P-frame [p].
            extra: tokens beside the chosen patches, for the size of batches.
            enter: what goes into the trunk for some P-frames.

        Returns:
            Normalised vectors [p, dim].
        """
        device = trunk.class_token.device
        vectors = torch.empty(len(kept), trunk.config.dim, device=device)
        order = counts.argsort(stable=True)
        for rows in batches(order, counts[order] + extra, device):
            same = [rows[counts[rows] == count] for count in sorted(set(counts[rows].tolist()))]
            parts = [enter(few, kept[few, : int(counts[few[0]])].to(device)) for few in same]
            vectors[rows] = unit(torch.cat(trunk.forward_together(parts)))
        return vectors
