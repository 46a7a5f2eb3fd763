"""Sizes by name."""

import pytest
import torch

from vidskim.models.swin import VideoSwin
from vidskim.models.swin_variants import SwinConfig, video_swin


# parameters as torchvision documents them
@pytest.mark.parametrize(("name", "parameters"), [("T", 28_158_070), ("S", 49_816_678), ("B", 88_048_984)])
def test_published_sizes(name: str, parameters: int) -> None:
    with torch.device("meta"):
        model = VideoSwin(video_swin(name))
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_unknown_size() -> None:
    with pytest.raises(ValueError, match="unknown Video Swin size 'X'; allowed: B, S, T"):
        video_swin("X")


def test_stage_sizes() -> None:
    assert video_swin("T").stage_sizes((32, 224, 224)) == [
        (16, 56, 56),
        (16, 28, 28),
        (16, 14, 14),
        (16, 7, 7),
    ]
    assert video_swin("T").stage_sizes((3, 37, 9)) == [(2, 10, 3), (2, 5, 2), (2, 3, 1), (2, 2, 1)]


@pytest.mark.parametrize(
    ("depths", "heads", "message"),
    [
        ((2, 2), (1,), r"same stages, received \(2, 2\) and \(1,\)"),
        ((), (), "same stages"),
        ((2, 2), (2, 3), "width 16 of stage 1 is not divisible by 3 heads"),
    ],
)
def test_impossible_configurations(depths: tuple[int, ...], heads: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SwinConfig(width=8, depths=depths, heads=heads)
