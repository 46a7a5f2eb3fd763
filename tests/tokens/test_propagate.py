"""Passing redundancy on against a plain one-clip version, and the laws of every such pruning."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidskim.tokens.propagate import keep_lowest, propagate, propagation_macs, rows_at, saliency, thin

shapes = st.fixed_dictionaries(
    {
        "groups": st.integers(1, 5),
        "size": st.integers(2, 9),
        "r": st.integers(0, 8),
        "backward": st.booleans(),
        "from_kept": st.booleans(),
        "seed": st.integers(0, 999),
    }
).filter(lambda shape: shape["r"] < shape["size"])


def draw(groups: int, size: int, seed: int, b: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, keys = (torch.randn(b, groups * size, d, generator=generator, dtype=torch.float64) for d in (7, 4))
    return x, keys


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def plain(
    x: Tensor, keys: Tensor, *, groups: int, r: int, backward: bool, from_kept: bool
) -> tuple[list[int], list[list[float]]]:
    """One clip, token by token."""
    size = len(x) // groups
    members = [list(range(group * size, (group + 1) * size)) for group in range(groups)]
    order = list(reversed(range(groups))) if backward else list(range(groups))
    kept: dict[int, list[int]] = {}
    scores: dict[int, list[float]] = {}
    anchor = members[order[0]]
    best = {e: max(cosine(keys[e], keys[o]) for o in anchor[1::2]) for e in anchor[::2]}
    kept[order[0]] = [*anchor[1::2], *sorted(best, key=lambda e: best[e])][: size - r]
    scores[order[0]] = list(best.values())
    handed = dict.fromkeys(kept[order[0]] if from_kept else anchor, 1.0)
    for group in order[1:]:
        gathered = dict.fromkeys(members[group], 0.0)
        for before, score in handed.items():
            weights = {token: math.exp(cosine(keys[token], keys[before])) for token in gathered}
            for token in gathered:
                gathered[token] += score * weights[token] / sum(weights.values())
        norms = {token: float(x[token].abs().sum()) for token in gathered}
        low, high = min(norms.values()), max(norms.values())
        score_of = {token: gathered[token] * (1 - (norms[token] - low) / (high - low)) for token in gathered}
        scores[group] = list(score_of.values())
        kept[group] = sorted(gathered, key=lambda token: score_of[token])[: size - r]
        total = sum(gathered[token] for token in kept[group])
        handed = {token: gathered[token] / total for token in kept[group]}
    return [token for group in range(groups) for token in kept[group]], [scores[g] for g in range(groups)]


@given(shapes)
@settings(max_examples=60)
def test_it_is_the_plain_version(shape: dict[str, Any]) -> None:
    seed = shape.pop("seed")
    x, keys = draw(shape["groups"], shape.pop("size"), seed)
    kept, scores = propagate(keys, saliency(x, groups=shape["groups"]), **shape)
    for row in range(len(x)):
        wanted, values = plain(x[row], keys[row], **shape)
        assert kept[row].tolist() == wanted
        for group, value in enumerate(values):
            assert scores[group][row].tolist() == pytest.approx(value, abs=1e-12)


@given(shapes)
@settings(max_examples=30)
def test_every_group_loses_r_and_stays_in_its_place(shape: dict[str, Any]) -> None:
    size = shape.pop("size")
    x, keys = draw(shape["groups"], size, shape.pop("seed"))
    kept, _ = propagate(keys, saliency(x, groups=shape["groups"]), **shape)
    left = size - shape["r"]
    assert kept.shape == (2, shape["groups"] * left)
    for group, places in enumerate(kept.split(left, dim=1)):
        assert bool((places // size == group).all())
    assert all(len(set(row.tolist())) == len(row) for row in kept)


def test_more_than_half_of_the_first_group_takes_odd_tokens_from_the_end() -> None:
    units = torch.nn.functional.normalize(
        torch.randn(1, 7, 4, generator=torch.Generator().manual_seed(1)), dim=2
    )
    assert thin(units, 4)[0].tolist() == [[1, 3, 5]]
    assert thin(units, 5)[0].tolist() == [[1, 3]]


def test_sixteen_bits_are_chosen_in_float32() -> None:
    x, keys = (part.bfloat16() for part in draw(4, 8, seed=3))
    kept, scores = propagate(keys, saliency(x, groups=4), groups=4, r=3)
    wide, _ = propagate(keys.float(), saliency(x.float(), groups=4), groups=4, r=3)
    assert torch.equal(kept, wide)
    assert {score.dtype for score in scores} == {torch.float32}


def test_a_group_of_equals_gives_numbers() -> None:
    kept, scores = propagate(torch.ones(1, 12, 2), saliency(torch.ones(1, 12, 3), groups=3), groups=3, r=2)
    assert all(bool(score.isfinite().all()) for score in scores)
    assert kept.tolist() == [[1, 3, 4, 5, 8, 9]]


def test_saliency_is_the_norm_within_each_group() -> None:
    x = torch.tensor([[[1.0, -1.0], [0.0, 6.0], [-4.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]])
    assert saliency(x, groups=2).tolist() == [[0, 1, 0.5, 0, 0, 0]]
    assert saliency(x.bfloat16(), groups=2).dtype == torch.float32


@given(shapes)
@settings(deadline=None, max_examples=30)
def test_the_lowest_of_each_group_are_kept_in_their_order(shape: dict[str, Any]) -> None:
    groups, size, r = shape["groups"], shape["size"], shape["r"]
    scores = torch.rand(2, groups * size, generator=torch.Generator().manual_seed(shape["seed"]))
    kept = keep_lowest(scores, groups=groups, r=r)
    for row, values in zip(kept.tolist(), scores.tolist(), strict=True):
        expected = []
        for group in range(groups):
            own = range(group * size, (group + 1) * size)
            expected += sorted(sorted(own, key=lambda token: values[token])[: size - r])
        assert row == expected


def test_of_equal_scores_the_later_goes() -> None:
    assert keep_lowest(torch.ones(1, 6), groups=2, r=1).tolist() == [[0, 1, 3, 4]]


def test_rows_at_places() -> None:
    x = torch.arange(12.0).view(1, 4, 3)
    assert torch.equal(rows_at(x, torch.tensor([[2, 0]])), x[:, [2, 0]])


def test_cost_of_choosing() -> None:
    # 3 x 2 cosines of 4 numbers; 5 x 5 and 5 x 3 of them, each handed on as well
    assert propagation_macs(5, groups=3, r=2, channels=4) == 6 * 4 + 25 * 5 + 15 * 5
    assert propagation_macs(5, groups=3, r=2, channels=4, from_kept=True) == 6 * 4 + 2 * 15 * 5
    assert propagation_macs(5, groups=1, r=2, channels=4) == 6 * 4
