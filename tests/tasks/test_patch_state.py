"""Fates of patches from a trace, for frames made by hand: a grid of 2 x 2 patches."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vidskim.methods.frames import FrameMethod
from vidskim.methods.registry import build_method
from vidskim.methods.residual import ResidualTokenizer
from vidskim.pipeline.features import Trace
from vidskim.tasks.patch_state import (
    COMPUTED,
    DROPPED,
    MERGED,
    REUSED,
    PatchState,
    Stretch,
    read_states,
    token_shares,
)

STD = (0.5, 0.5, 0.5)
GRID, SIDE = 2, 8


def method(name: str, **settings: object) -> FrameMethod:
    parts = {"std": torch.tensor(STD), "tokenizer": ResidualTokenizer(dim=4, width=4)}
    return build_method(name, settings, parts)


def stretch(kinds: str, levels: list[float], *, first: int = 0, led: bool = False) -> Stretch:
    """Frames whose patch 0 has a level in 0..1 each; the others are 0."""
    pixels = torch.zeros(len(kinds), 3, SIDE, SIDE)
    for frame, level in enumerate(levels):
        pixels[frame, :, :4, :4] = level / STD[0]
    times = first + np.arange(len(kinds), dtype=np.float64)
    return Stretch(pixels, times, np.array(list(kinds)), first, led)


def trace(frames: list[int], kept: list[list[int]], links: tuple[int, int] = (0, 3)) -> Trace:
    """P-frames that all lean on the same two I-frames."""
    return Trace(torch.tensor(frames, dtype=torch.int64), both(len(frames), *links), torch.tensor(kept), None)


def both(frames: int, previous: int, following: int) -> Tensor:
    return torch.tensor([[previous, following]]).expand(frames, -1)


def states(part: Stretch, traced: Trace, which: FrameMethod) -> list[PatchState]:
    return read_states(part, traced, which, std=STD, grid=GRID)


@pytest.mark.parametrize(
    ("which", "other"),
    [
        (method("reuse"), REUSED),
        (method("reuse", anchors="previous"), REUSED),
        (method("residual"), DROPPED),
    ],
)
def test_kept_patches_are_computed_and_the_others_have_the_methods_fate(
    which: FrameMethod, other: int
) -> None:
    kinds = "IPPI" if which.lookahead else "IPPP"
    kept = [[3, 0], [1, -1], [2, -1]]
    count, links = kinds.count("P"), (0, 3) if which.lookahead else (0, 0)
    found = states(stretch(kinds, [0] * 4), trace([1, 2, 3][:count], kept[:count], links), which)
    assert [state.kind for state in found] == list(kinds)
    assert [state.count(COMPUTED) for state in found][:3] == [4, 2, 1]
    assert found[1].fates.tolist() == [[COMPUTED, other], [other, COMPUTED]]
    assert found[2].fates.tolist() == [[other, COMPUTED], [other, other]]
    for state in found:
        assert sum(state.count(fate) for fate in range(4)) == GRID * GRID
        assert (np.isnan(state.lean) == (state.fates != REUSED)).all()
        assert (state.slots == -1).all()


def test_the_full_encoder_computes_everything() -> None:
    found = states(stretch("III", [0] * 3), trace([], []), method("full"))
    assert [state.count(COMPUTED) for state in found] == [4, 4, 4]


def test_free_frames_lean_on_the_frame_before_or_by_time_on_both() -> None:
    nothing = torch.empty(2, 0, dtype=torch.int64)
    frames = torch.tensor([1, 2])
    copied = states(stretch("IPP", [0] * 3), Trace(frames, both(2, 0, 0), nothing, None), method("copy"))
    assert [state.count(COMPUTED) for state in copied] == [4, 0, 0]
    assert [float(state.lean.max()) for state in copied[1:]] == [0, 0]
    between = states(
        stretch("IPPI", [0] * 4), Trace(frames, both(2, 0, 3), nothing, None), method("interpolate")
    )
    np.testing.assert_allclose([state.lean[1, 1] for state in between[1:3]], [1 / 3, 2 / 3], rtol=1e-6)
    assert [state.count(REUSED) for state in between] == [0, 4, 4, 0]


def test_a_reused_patch_leans_on_the_i_frame_it_resembles() -> None:
    # patch 0 goes 0, 0.2, 0.8, 0.8: a fourth of the way in frame 1, there in frame 2; the others stand still
    found = states(stretch("IPPI", [0, 0.2, 0.8, 0.8]), trace([1, 2], [[3], [3]]), method("reuse"))
    np.testing.assert_allclose(found[1].lean[0], [0.25, 0.5], rtol=1e-5)
    np.testing.assert_allclose(found[2].lean[0], [1, 0.5], rtol=1e-5)


def test_across_a_cut_a_patch_leans_on_the_i_frame_of_its_own_scene() -> None:
    # frames 0 and 1 are one scene, 2 and 3 the next; each P-frame has one I-frame on its side
    links = torch.tensor([[0, 0], [3, 3]])
    traced = Trace(torch.tensor([1, 2]), links, torch.tensor([[3], [3]]), None)
    found = states(stretch("IPPI", [0, 0.1, 0.9, 0.8]), traced, method("reuse"))
    assert [state.lean.ravel()[:3].tolist() for state in found[1:3]] == [[0, 0, 0], [1, 1, 1]]


def test_change_is_the_mean_against_the_frame_before_also_across_stretches() -> None:
    found = states(stretch("IIII", [0, 0.4, 0.4, 0.2]), trace([], []), method("full"))
    np.testing.assert_allclose([state.change for state in found], [0, 0.1, 0, 0.05], atol=1e-7)
    led = stretch("PIP", [0.4, 0.2, 0.2], first=5, led=True)
    found = states(led, trace([7], [[1, 2]], (6, 6)), method("residual"))
    assert [(state.number, state.time_s, state.kind) for state in found] == [(6, 6.0, "I"), (7, 7.0, "P")]
    np.testing.assert_allclose([state.change for state in found], [0.05, 0], atol=1e-7)
    assert found[1].fates.ravel().tolist() == [DROPPED, COMPUTED, COMPUTED, DROPPED]


def test_patches_that_share_a_slot_in_the_end_are_merged() -> None:
    slots = torch.tensor([[[5, 6, 7, 8], [2, 2, 3, 2]], [[5, 6, 7, 8], [0, 1, 2, 3]]])  # p layers patches
    traced = Trace(torch.tensor([0, 1]), both(2, 0, 0), torch.arange(4).expand(2, -1), None, slots)
    merged, alone = states(stretch("PP", [0, 0]), traced, method("merge"))
    assert merged.fates.tolist() == [[MERGED, MERGED], [COMPUTED, MERGED]]
    assert merged.slots.tolist() == [[2, 2], [-1, 2]]
    assert (merged.regions, merged.tokens) == (1, 2)
    assert alone.count(COMPUTED) == alone.tokens == 4
    assert token_shares([merged, alone]).tolist() == [0.5, 1.0]


def test_smaller_p_frames_have_a_grid_of_their_own() -> None:
    part = stretch("IP", [0, 0])
    found = read_states(part, trace([1], [[0]], (0, 0)), method("residual"), std=STD, grid=GRID, between=1)
    assert [state.fates.shape for state in found] == [(2, 2), (1, 1)]
    assert token_shares(found).tolist() == [1.0, 0.25]


def test_merged_patches_are_counted_with_their_regions() -> None:
    fates = np.array([[MERGED, MERGED], [MERGED, COMPUTED]], np.int8)
    slots = np.array([[7, 7], [2, -1]])
    state = PatchState(3, 1.5, "P", fates, slots, np.full((2, 2), np.nan, np.float32), 0.25)
    assert (state.count(MERGED), state.regions) == (3, 2)
    assert state.to_json() == {
        "number": 3,
        "time_s": 1.5,
        "kind": "P",
        "computed": 1,
        "reused": 0,
        "merged": 3,
        "dropped": 0,
        "regions": 2,
        "change": 0.25,
    }
