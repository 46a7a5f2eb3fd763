"""How a batch of segments is laid out, and what I-frames leave behind."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.methods.conftest import laid_out, segment

from vidskim.methods.baseline import Full
from vidskim.methods.frames import as_index, batches
from vidskim.methods.layout import Segment
from vidskim.models.vit import VisionTransformer


def test_groups_without_lookahead() -> None:
    layout = laid_out([segment(6)], interleave=2, lookahead=False)
    assert layout.anchors.tolist() == [0, 3]
    assert layout.between.tolist() == [1, 2, 4, 5]
    assert layout.previous.tolist() == layout.following.tolist() == [0, 0, 1, 1]


def test_lookahead_closes_with_an_anchor_and_shares_by_time() -> None:
    uneven = Segment(torch.zeros(6, 3, 32, 32), np.array([0.0, 1.0, 1.5, 2.0, 2.1, 2.4]), None, 0)
    layout = laid_out([uneven], interleave=2, lookahead=True)
    assert layout.anchors.tolist() == [0, 3, 5]
    assert layout.between.tolist() == [1, 2, 4]
    assert layout.following.tolist() == [1, 1, 2]
    np.testing.assert_allclose(layout.share, [0.5, 0.75, 0.25], atol=1e-6)


def test_equal_times_fall_back_to_frame_numbers() -> None:
    still = Segment(torch.zeros(3, 3, 32, 32), np.zeros(3), None, 0)
    assert laid_out([still], interleave=1, lookahead=True).share.tolist() == [0.5]


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    interleave=st.integers(0, 5),
    lookahead=st.booleans(),
)
def test_every_frame_is_an_anchor_or_leans_on_its_own_video(
    lengths: list[int], interleave: int, lookahead: bool
) -> None:
    segments = [Segment(torch.zeros(n, 3, 1, 1), np.arange(n) * 1.0, None, 0) for n in lengths]
    layout = laid_out(segments, interleave=interleave, lookahead=lookahead)
    assert sorted([*layout.anchors.tolist(), *layout.between.tolist()]) == list(range(sum(lengths)))
    starts = np.cumsum([0, *lengths])
    rows = zip(layout.between, layout.segment, layout.previous, layout.following, layout.share, strict=True)
    for frame, number, previous, following, share in rows:
        before, after = int(layout.anchors[previous]), int(layout.anchors[following])
        assert starts[number] <= before < frame < starts[number + 1]
        assert int(frame) - before <= interleave
        assert after < starts[number + 1]
        assert (after > frame) if lookahead else (after == before)
        assert 0 <= share <= 1


def test_batches_cover_all_rows_within_the_budget() -> None:
    parts = list(batches(torch.arange(100), 50, torch.device("cpu")))
    assert torch.cat(parts).tolist() == list(range(100))
    assert max(len(part) for part in parts) * 50 <= 1600


def test_as_index_is_a_slice_only_for_consecutive_rows() -> None:
    assert as_index(torch.tensor([3, 4, 5])) == slice(3, 6)
    for rows in (torch.tensor([3, 5, 4]), torch.tensor([3, 3, 5]), torch.tensor([], dtype=torch.int64)):
        assert as_index(rows) is rows


def test_full_encodes_every_frame(trunk: VisionTransformer) -> None:
    (encoded,) = Full().encode(trunk, [segment(4)])
    assert encoded.anchor_frames.all()
    assert encoded.kept is None
    torch.testing.assert_close(encoded.vectors.norm(dim=1), torch.ones(4))
