"""The full encoder and the two free baselines every other method must beat."""

from dataclasses import dataclass

from vidskim.methods.frames import Batch, Between, FrameMethod
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

    def encode_between(self, trunk: VisionTransformer, batch: Batch) -> Between:
        """The two vectors, blended by time."""
        layout, vectors = batch.layout, batch.anchors.vectors
        share = layout.share[:, None].to(vectors.device)
        return Between(unit(vectors[layout.previous].lerp(vectors[layout.following], share)))
