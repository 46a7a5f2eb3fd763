"""Batches by number: each once, in order, and nothing random left over."""

import multiprocessing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_task import Lines, Threads

from vidskim.train.data import batch_numbers, mix_seed, open_batches, seeded

CPU = torch.device("cpu")


@given(
    first=st.integers(0, 5),
    more=st.integers(0, 5),
    accumulate=st.integers(1, 4),
    ranks=st.integers(1, 4),
)
def test_ranks_share_the_batches_of_one_that_accumulates_more(
    first: int, more: int, accumulate: int, ranks: int
) -> None:
    steps = first + more
    shares = [
        list(batch_numbers(first, steps, accumulate=accumulate, rank=rank, ranks=ranks))
        for rank in range(ranks)
    ]
    alone = list(batch_numbers(first, steps, accumulate=accumulate * ranks))
    taken = [number for turn in zip(*shares, strict=True) for number in turn]
    assert taken == alone == list(range(first * accumulate * ranks, steps * accumulate * ranks))


def test_seeds_have_nothing_to_do_with_each_other() -> None:
    seeds = {
        mix_seed(seed, number, purpose=purpose)
        for seed in range(20)
        for number in range(20)
        for purpose in ("generator", "global")
    }
    assert len(seeds) == 800
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mix_seed(0, 1, purpose="global") == 8835497625925211620  # a resumed training relies on it


def test_what_is_random_about_a_batch_depends_on_its_number_alone() -> None:
    def draw(number: int) -> list[float]:
        with seeded(3, number, device=CPU) as generator:
            return [torch.rand((), generator=generator).item(), torch.rand(()).item()]

    state = torch.get_rng_state()
    first, other = draw(1), draw(2)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    assert draw(1) == first
    assert len({*first, *other}) == 4


def test_batches_come_in_order_without_workers() -> None:
    state = torch.get_rng_state()
    with open_batches(Lines(), iter([4, 2, 9]), workers=0, pin_memory=False) as batches:
        got = [batch["x"] for batch in batches]
    assert [torch.equal(x, Lines()[number]["x"]) for x, number in zip(got, (4, 2, 9), strict=True)] == [
        True
    ] * 3
    assert torch.equal(torch.get_rng_state(), state)


def test_workers_give_the_same_batches_on_one_thread_and_end_upon_an_error() -> None:
    state = torch.get_rng_state()
    others = set(multiprocessing.active_children())

    def use_one() -> None:
        with open_batches(Threads(), iter(range(100)), workers=1, pin_memory=False) as batches:
            batch = next(batches)
            assert torch.equal(batch["x"], Lines()[0]["x"])
            assert batch["threads"] == 1
            assert set(multiprocessing.active_children()) - others
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use_one()
    assert not set(multiprocessing.active_children()) - others
    assert torch.equal(torch.get_rng_state(), state)
