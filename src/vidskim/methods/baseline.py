"""The full encoder and the two free baselines every other method must beat."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from vidskim.methods.frames import Anchors, Between, FrameMethod, Layout, Segment
from vidskim.models.vit import VisionTransformer, unit


@dataclass(frozen=True)
class Full(FrameMethod):
    """Every frame through the whole encoder."""

    name = "full"


@dataclass(frozen=True)
class Copy(FrameMethod):
    """P-frames repeat the feature of the I-frame before them.

    Args:
        interleave: P-frames for each I-frame, N.
    """

    interleave: int = 2
    name = "copy"


@dataclass(frozen=True)
class Interpolate(FrameMethod):
    """P-frames lie between the normalised features of the I-frames around them, by time, normalised again.

    Args:
        interleave: P-frames for each I-frame, N.
    """

    interleave: int = 2
    name = "interpolate"

    @property
    def lookahead(self) -> bool:
        """Yes."""
        return True

    def encode_between(
        self,
        trunk: VisionTransformer,
        pixels: Tensor,
        layout: Layout,
        anchors: Anchors,
        segments: Sequence[Segment],
    ) -> Between:
        """The two vectors, blended by time."""
        share = layout.share[:, None].to(anchors.vectors.device)
        return Between(unit(anchors.vectors[layout.previous].lerp(anchors.vectors[layout.following], share)))
