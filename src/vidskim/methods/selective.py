"""What `residual` and `reuse` share: P-frames in which only some patches are computed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from vidskim.methods.choose import MOVING
from vidskim.methods.frames import FrameMethod, batches
from vidskim.models.vit import VisionTransformer, unit

# Given rows of P-frames [b] and their chosen patches [b, k], features [b, dim], not normalised.
Encode = Callable[[Tensor, Tensor], Tensor]


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
        self, trunk: VisionTransformer, kept: Tensor, counts: Tensor, *, extra: int, encode: Encode
    ) -> Tensor:
        """Encode P-frames, those with equally many patches together.

        Args:
            trunk: the vision tower.
            kept: chosen patches [p, k], padded where counts vary.
            counts: of each P-frame [p].
            extra: tokens beside the chosen patches, for the size of batches.
            encode: features of some P-frames.

        Returns:
            Normalised vectors [p, dim].
        """
        device = trunk.class_token.device
        vectors = torch.empty(len(kept), trunk.config.dim, device=device)
        for count in sorted(set(counts.tolist())):
            for rows in batches((counts == count).nonzero()[:, 0], extra + count, device):
                vectors[rows] = unit(encode(rows, kept[rows, :count].to(device)))
        return vectors
