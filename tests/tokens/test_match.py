"""Matching and merging against a plain one-frame version, and the laws every merging keeps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidskim.tokens.match import match, match_by_loss, merge, merged_count, undo

shapes = st.fixed_dictionaries(
    {
        "n": st.integers(1, 24),
        "r": st.integers(0, 15),
        "protected": st.integers(0, 4),
        "seed": st.integers(0, 999),
    }
).filter(lambda shape: shape["protected"] <= shape["n"])


def draw(n: int, seed: int, b: int = 2, d: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    metric, x = torch.randn(b, n, 6, generator=generator), torch.randn(b, n, d, generator=generator)
    return metric, x, torch.randint(1, 4, (b, n), generator=generator).float()


def plain_match(metric: torch.Tensor, r: int, protected: int) -> list[int]:
    """Slots of one frame, token by token."""
    n = len(metric)
    even = [i for i in range(protected, n) if i % 2 == 0]
    odd = [i for i in range(protected, n) if i % 2 == 1]
    best = {}
    for i in even:
        cosines = [float(torch.cosine_similarity(metric[i], metric[j], dim=0)) for j in odd]
        if cosines:
            best[i] = (max(cosines), odd[cosines.index(max(cosines))])
    going = sorted(best, key=lambda i: -best[i][0])[: max(0, min(r, (n - protected) // 2))]
    order = [*range(protected), *(i for i in even if i not in going), *odd]
    if not going:
        order = list(range(n))
    places = {token: slot for slot, token in enumerate(order)}
    return [places[best[i][1]] if i in going else places[i] for i in range(n)]


@given(shape=shapes)
def test_slots_are_those_of_the_plain_version(shape: dict[str, int]) -> None:
    metric, _, _ = draw(shape["n"], shape["seed"])
    slots = match(metric, shape["r"], protected=shape["protected"])
    assert slots.tolist() == [plain_match(frame, shape["r"], shape["protected"]) for frame in metric]


@given(shape=shapes)
def test_the_laws_of_merging(shape: dict[str, int]) -> None:
    n, r, protected = shape["n"], shape["r"], shape["protected"]
    metric, x, size = draw(n, shape["seed"])
    slots, count = match(metric, r, protected=protected), merged_count(n, r, protected=protected)
    merged, sizes = merge(x, slots, size, count=count)
    assert merged.shape == (2, count, 5)
    assert sorted(set(slots[0].tolist())) == list(range(count))  # no slot is empty
    torch.testing.assert_close(sizes.sum(dim=1), size.sum(dim=1))  # nothing is lost
    total = (merged * sizes[..., None]).sum(dim=1)
    torch.testing.assert_close(total, (x * size[..., None]).sum(dim=1), atol=1e-4, rtol=1e-5)
    assert torch.equal(merged[:, :protected], x[:, :protected])  # in place, to the bit
    assert torch.equal(sizes[:, :protected], size[:, :protected])

    back = undo(merged, slots)  # each token gets its group's mean
    for frame in range(2):
        for token in range(n):
            group = slots[frame] == slots[frame, token]
            weights = size[frame, group] / size[frame, group].sum()
            torch.testing.assert_close(back[frame, token], (x[frame, group] * weights[:, None]).sum(dim=0))

    alone = match(metric[1:], r, protected=protected)  # a batch gives the same as one by one
    assert torch.equal(alone[0], slots[1])


@pytest.mark.parametrize(
    ("protected", "expected"),
    [(2, [51, 31, 17, 10, 6, 4, 3, 3, 3]), (1, [51, 31, 16, 9, 5, 3, 2, 2, 2])],
)
def test_counts_of_b32_at_20_a_block(protected: int, expected: list[int]) -> None:
    """With a residual token as published; without one a token less is protected."""
    counts = [51]
    for _ in range(8):
        counts.append(merged_count(counts[-1], 20, protected=protected))
    assert counts == expected


def test_slots_compose() -> None:
    metric, x, size = draw(12, 3)
    first = match(metric, 3, protected=1)
    once, sizes = merge(x, first, size, count=9)
    second = match(torch.randn(2, 9, 6, generator=torch.Generator().manual_seed(4)), 2, protected=1)
    twice, sizes = merge(once, second, sizes, count=7)
    at_once, both = merge(x, second.gather(1, first), size, count=7)
    torch.testing.assert_close(at_once, twice)
    torch.testing.assert_close(both, sizes)


def test_equal_tokens_merge_in_order() -> None:
    slots = match(torch.ones(1, 8, 3), 2, protected=0)
    assert slots.tolist() == [[2, 2, 2, 3, 0, 4, 1, 5]]


def test_tokens_meet_the_same_ones_where_the_rest_is_in_bfloat16(generator: torch.Generator) -> None:
    """Frames of a video are much alike: in bfloat16 many cosines near 1 would be equal."""
    metric = 1 + 0.05 * torch.randn(4, 60, 16, generator=generator)
    ones, importance = torch.ones(4, 60), torch.rand(4, 60, generator=generator)
    exact = match(metric, 20, protected=2)
    by_loss = match_by_loss(metric, 20, size=ones, importance=importance, protected=2)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(match(metric, 20, protected=2), exact)
        again = match_by_loss(metric, 20, size=ones, importance=importance, protected=2)[0]
    assert torch.equal(again, by_loss)


def test_runs_meet_runs() -> None:
    """Three runs of four: the first and third look at the second, wherever their tokens stand."""
    one = torch.eye(4)[None]
    metric = torch.cat([torch.zeros(1, 1, 4), one, one[:, [2, 0, 3, 1]], one[:, [1, 1, 1, 1]]], dim=1)
    slots = match(metric, 6, protected=1, run=4)[0].tolist()
    assert slots[0] == 0
    second = slots[5:9]
    assert second == [3, 4, 5, 6]
    merged = [slots[place] for place in (1, 2, 3, 4)]
    assert merged == [second[1], second[3], second[0], second[2]]  # each with its twin
    assert slots[9:11] == [second[3]] * 2  # of equal likeness the lower places
    assert slots[11:] == [1, 2]


def test_empty_tokens_go_first_and_leave_their_place() -> None:
    """Tokens 2 and 5 stand for nothing: 2 goes wherever, 0 takes the place of 5."""
    metric, x, _ = draw(8, 7, b=1)
    size = torch.tensor([[1.0, 1, 0, 1, 1, 0, 1, 1]])
    slots = match(metric, 2, protected=0, size=size)
    merged, sizes = merge(x, slots, size, count=6)
    assert sizes[0].tolist() == [1] * 6
    order = [4, 6, 1, 3, 0, 7]  # even tokens left, then odd ones with 0 in the place of 5
    torch.testing.assert_close(merged[0], x[0, order])
    noise = torch.where(size[..., None] == 0, torch.full_like(metric, 9.0), metric)
    assert torch.equal(match(noise, 2, protected=0, size=size), slots)
    everything = match(metric, 4, protected=0, size=torch.zeros(1, 8))
    assert bool(merge(x, everything, torch.zeros(1, 8), count=4)[0].isfinite().all())


def test_full_tokens_beyond_the_empty_places_merge_by_likeness() -> None:
    """Tokens 5, 6 and 8 are empty: 6 and 8 go, 0 takes 5's place, and of the others 4 is most like 7 (and 2 like 3)."""
    size = torch.ones(1, 10)
    size[0, [5, 6, 8]] = 0
    metric = torch.eye(10)[None].clone()
    metric[0, 4], metric[0, 7] = torch.eye(10)[9], torch.eye(10)[9]
    metric[0, 2] = torch.eye(10)[3] + torch.eye(10)[0]
    slots = match(metric, 4, protected=0, size=size)
    merged, sizes = merge(metric, slots, size, count=6)
    assert slots[0, 4] == slots[0, 7]
    assert slots[0, 0] == slots[0, 5]
    assert sorted(sizes[0].tolist()) == [1, 1, 1, 1, 1, 2]
    further = match(metric, 5, protected=0, size=size)
    assert further[0, 2] == further[0, 3]
    assert torch.equal(merged[0, slots[0, 4]], metric[0, 4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_merging_is_a_weighted_mean_and_learns_as_one(dtype: torch.dtype) -> None:
    metric, x, size = draw(9, 11)
    size[0, 3] = 0
    slots, count = match(metric, 3, protected=1), 6
    x = x.to(dtype).requires_grad_()
    weight = torch.zeros(2, count, 9, dtype=dtype).scatter_(1, slots[:, None], size.to(dtype)[:, None])
    plain = weight / weight.sum(dim=2, keepdim=True) @ x
    merged, _ = merge(x, slots, size, count=count)
    assert merged.dtype == dtype
    torch.testing.assert_close(merged, plain, atol=1e-6, rtol=1e-6)
    seen = torch.randn(merged.shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    ours, theirs = (torch.autograd.grad((out * seen).sum(), x)[0] for out in (merged, plain))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    assert not ours[0, 3].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_types_keep_their_type_and_tokens_alone_every_bit(dtype: torch.dtype) -> None:
    metric, x, size = draw(10, 5)
    x = x.to(dtype)
    slots = match(metric.to(dtype), 3, protected=1)
    merged, sizes = merge(x, slots, size, count=7)
    assert (merged.dtype, sizes.dtype) == (dtype, torch.float32)
    exact, _ = merge(x.double(), slots, size, count=7)
    places = slots.new_zeros(2, 7).scatter_add_(1, slots, torch.ones_like(slots)) == 1
    assert torch.equal(merged[places].double(), exact[places])
    assert 0 < places.sum() < 14  # the others are rounded once as shares and once as means
    torch.testing.assert_close(merged.double(), exact, rtol=0, atol=4 * torch.finfo(dtype).eps)
