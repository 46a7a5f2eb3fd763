"""Cutting blocks into segments: the same segments wherever the blocks end."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidskim.pipeline.stream import Block, Cutter, Prepared


def prepared(start: int, stop: int) -> Prepared:
    numbers = torch.arange(start, stop, dtype=torch.float32)
    return Prepared(
        numbers.view(-1, 1, 1, 1).expand(-1, 3, 2, 2), np.arange(start, stop, dtype=np.float64), None
    )


def cut(
    lengths: list[int], *, groups: int, interleave: int, lookahead: bool
) -> list[tuple[int, list[float]]]:
    """(first, times) of each segment."""
    cutter = Cutter(groups * (interleave + 1), lookahead=lookahead)
    edges = np.cumsum([0, *lengths])
    blocks = [Block("v", prepared(int(a), int(b)), last=False) for a, b in pairwise(edges)]
    blocks.append(Block("v", prepared(0, 0), last=True))
    return [(s.first, s.times_s.tolist()) for block in blocks for s in cutter.push(block)]


@given(
    lengths=st.lists(st.integers(0, 9), max_size=6),
    groups=st.integers(1, 4),
    interleave=st.integers(0, 4),
    lookahead=st.booleans(),
)
def test_segments_do_not_depend_on_the_blocks(
    lengths: list[int], groups: int, interleave: int, lookahead: bool
) -> None:
    settings = {"groups": groups, "interleave": interleave, "lookahead": lookahead}
    segments = cut(lengths, **settings)
    assert segments == cut([sum(lengths)], **settings)
    new = [times[int(lookahead and first > 0) :] for first, times in segments]
    assert [t for times in new for t in times] == list(range(sum(lengths)))
    assert all(times for times in new)
    assert all(first % (interleave + 1) == 0 and times[0] == first for first, times in segments)
    assert all(len(times) <= groups * (interleave + 1) + lookahead for _, times in segments)


def test_a_segment_with_lookahead_ends_with_the_next_ones_first_frame() -> None:
    assert cut([9], groups=1, interleave=2, lookahead=True) == [
        (0, [0, 1, 2, 3]),
        (3, [3, 4, 5, 6]),
        (6, [6, 7, 8]),
    ]


def test_join_keeps_motion_only_if_both_have_it() -> None:
    moving = Prepared(torch.zeros(2, 3, 2, 2), np.zeros(2), torch.ones(2, 1, 1))
    assert Prepared.join(moving, moving).motion is not None
    assert Prepared.join(moving, prepared(0, 1)).motion is None
    assert Prepared.join(prepared(0, 0), moving).motion is not None


@pytest.mark.parametrize(
    ("pixels", "times", "motion", "message"),
    [
        (torch.zeros(2, 1, 2, 2), np.zeros(2), None, r"pixels \[t, 3, y, x\], received \[2, 1, 2, 2\]"),
        (torch.zeros(2, 3, 2, 2), np.zeros(3), None, r"times_s \[2\], received \[3\]"),
        (torch.zeros(2, 3, 2, 2), np.zeros(2), torch.zeros(1, 2, 2), "motion of 2 frames"),
    ],
)
def test_shapes_are_checked(
    pixels: torch.Tensor, times: np.ndarray, motion: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Prepared(pixels, times, motion)
