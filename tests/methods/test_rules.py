"""Rules that drop tokens of each group: what each one looks at, and what all have in common."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.methods.rules import Accumulation, Chance, Evenly, Rule, Salience
from vidskim.tokens.propagate import propagate, saliency

RULES: list[Rule] = [
    Accumulation(),
    Accumulation(salient=False),
    Salience(),
    Chance(),
    Chance(seed=3),
    Evenly(),
]


@pytest.fixture
def x(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 24, 6, generator=generator)


@pytest.fixture
def keys(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 24, 4, generator=generator)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(("groups", "r"), [(4, 2), (4, 5), (1, 7), (3, 0), (2, 11)])
def test_every_group_loses_as_many_whatever_the_rule(
    rule: Rule, x: Tensor, keys: Tensor, groups: int, r: int
) -> None:
    kept, scores = rule.keep(x, keys, groups=groups, r=r, number=1)
    size = 24 // groups
    assert kept.shape == (2, groups * (size - r))
    assert all(len(set(row)) == len(row) for row in kept.tolist())
    for group, places in enumerate(kept.split(size - r, dim=1)):
        assert bool((places // size == group).all())
    assert len(scores) == groups
    alone, _ = rule.keep(x[1:], keys[1:], groups=groups, r=r, number=1)
    assert torch.equal(alone[0], kept[1])
    again, _ = rule.keep(x, keys, groups=groups, r=r, number=1)
    assert torch.equal(again, kept)


def test_salience_keeps_the_largest_norms(x: Tensor, keys: Tensor) -> None:
    kept, _ = Salience().keep(x, keys, groups=3, r=5, number=0)
    norms = x.abs().sum(dim=2)
    for row in range(2):
        for group in range(3):
            own = range(8 * group, 8 * group + 8)
            largest = sorted(own, key=lambda token: -norms[row, token])[:3]
            assert sorted(largest) == kept[row, 3 * group : 3 * group + 3].tolist()


def test_redundancy_is_propagation_with_nothing_salient(x: Tensor, keys: Tensor) -> None:
    kept, scores = Accumulation(salient=False).keep(x, keys, groups=4, r=2, number=0)
    expected, values = propagate(keys, torch.zeros(2, 24), groups=4, r=2)
    assert torch.equal(kept, expected)
    assert all(torch.equal(own, value) for own, value in zip(scores, values, strict=True))
    louder = x * torch.linspace(1, 9, 24)[:, None]
    assert torch.equal(Accumulation(salient=False).keep(louder, keys, groups=4, r=2, number=0)[0], kept)
    assert not torch.equal(Accumulation().keep(louder, keys, groups=4, r=2, number=0)[0], kept)


def test_sta_goes_backward_every_second_time(x: Tensor, keys: Tensor) -> None:
    sal = saliency(x, groups=4)
    for number, backward in ((0, False), (1, True), (2, False)):
        kept, _ = Accumulation().keep(x, keys, groups=4, r=2, number=number)
        assert torch.equal(kept, propagate(keys, sal, groups=4, r=2, backward=backward)[0])
        kept, _ = Accumulation(direction="forward").keep(x, keys, groups=4, r=2, number=number)
        assert torch.equal(kept, propagate(keys, sal, groups=4, r=2)[0])


def test_chance_is_its_seed_and_the_same_in_every_clip(x: Tensor, keys: Tensor) -> None:
    draws = [
        Chance(seed).keep(x, keys, groups=3, r=4, number=number)[0] for seed in (0, 1) for number in (0, 1, 2)
    ]
    for number, kept in enumerate(draws):
        assert torch.equal(kept[0], kept[1])
        assert not any(torch.equal(kept, other) for other in draws[:number])
    first = [group.tolist() for group in (draws[0][0] % 8).split(4)]
    assert first[0] != first[1] or first[1] != first[2]
    # every token has its turn
    taken = torch.cat([Chance(seed).keep(x, keys, groups=3, r=4, number=0)[0][0] for seed in range(200)])
    counts = torch.bincount(taken, minlength=24)
    assert counts.min() > 60
    assert counts.max() < 140


def test_even_spaces() -> None:
    def kept(size: int, r: int) -> list[int]:
        x = torch.zeros(1, size, 2)
        places: list[int] = Evenly().keep(x, x, groups=1, r=r, number=0)[0][0].tolist()
        return places

    assert kept(8, 4) == [1, 3, 5, 7]
    assert kept(9, 6) == [1, 4, 7]
    assert kept(5, 4) == [2]
    assert kept(196, 0) == list(range(196))
    gaps = torch.tensor(kept(196, 64)).diff()
    assert (int(gaps.min()), int(gaps.max())) == (1, 2)


def test_only_accumulation_costs_products() -> None:
    options: dict[str, Any] = {"groups": 3, "r": 2, "channels": 4}
    assert Accumulation().macs(5, **options) == 6 * 4 + 25 * 5 + 15 * 5
    assert Accumulation(anchor="kept").macs(5, **options) == 6 * 4 + 2 * 15 * 5
    assert [rule.macs(5, **options) for rule in (Salience(), Chance(), Evenly())] == [0, 0, 0]


@pytest.mark.parametrize("seed", [-1, 2**56, 1.5, True, "a"])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(SettingsError, match=r"seed is a whole number from 0 to 72057594037927935; received"):
        Chance(seed)
