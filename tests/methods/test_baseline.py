"""The free baselines do what their names say, and cost only their I-frames."""

import torch
from tests.methods.conftest import segment
from torch.nn.functional import normalize

from vidskim.methods.baseline import Copy, Full, Interpolate
from vidskim.models.cost import vit_macs
from vidskim.models.vit import VisionTransformer


def test_copy_repeats_the_frame_before(trunk: VisionTransformer) -> None:
    (full,), (copied,) = Full().encode(trunk, [segment(5)]), Copy(interleave=2).encode(trunk, [segment(5)])
    torch.testing.assert_close(copied.vectors, full.vectors[[0, 0, 0, 3, 3]])
    assert copied.macs == 2 * vit_macs(trunk.config)


def test_interpolate_blends_normalised_features_by_time(trunk: VisionTransformer) -> None:
    (full,), (blended,) = (
        Full().encode(trunk, [segment(5)]),
        Interpolate(interleave=2).encode(trunk, [segment(5)]),
    )
    expected = normalize(full.vectors[0] * 2 / 3 + full.vectors[3] / 3, dim=0)
    torch.testing.assert_close(blended.vectors[1], expected)
    torch.testing.assert_close(blended.vectors[[0, 3, 4]], full.vectors[[0, 3, 4]])
    assert blended.macs == 3 * vit_macs(trunk.config)
