"""Exact search is what comparing one by one gives."""

import numpy as np
import pytest
from tests.store.conftest import D, unit

from vidskim.store.exact import multiply, multiply_each, search_exact, search_exact_each
from vidskim.store.matrix import Matrix


def filled(counts: dict[str, int], *, seed: int) -> Matrix:
    matrix = Matrix.empty(counts, dimensions=D)
    matrix.vectors[:] = unit(len(matrix), seed=seed)
    matrix.start_s[:] = matrix.end_s[:] = np.concatenate([np.arange(count) for count in counts.values()])
    matrix.end_s[:] += 1
    return matrix


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_some_rows_score_as_they_do_among_all(share: float) -> None:
    vectors, query = unit(3000, seed=0), unit(1, seed=1)[0]
    rows = np.flatnonzero(np.random.default_rng(0).random(3000) < share)
    expected = vectors[rows].astype(np.float64) @ query
    assert np.allclose(multiply(vectors, query, rows), expected, atol=1e-6)


@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_several_queries_score_as_one_by_one(share: float) -> None:
    vectors, queries = unit(3000, seed=0), unit(5, seed=1)
    rows = np.flatnonzero(np.random.default_rng(0).random(3000) < share) if share < 1 else None
    expected = [multiply(vectors, query, rows) for query in queries]
    assert np.allclose(multiply_each(vectors, queries, rows), expected, atol=1e-6)


def test_several_queries_find_what_each_finds_alone() -> None:
    matrices, entries = [filled({"a": 50}, seed=0), filled({"b": 50}, seed=1)], {"a": "a", "b": "b"}
    queries = unit(4, seed=5)
    for between in (None, (10.0, 30.0)):
        together = search_exact_each(matrices, queries, limit=6, entries=entries, between=between)
        for query, hits in zip(queries, together, strict=True):
            alone = search_exact(matrices, query, limit=6, entries=entries, between=between)
            assert (hits.videos, hits.positions.tolist()) == (alone.videos, alone.positions.tolist())
            assert (hits.scores == alone.scores).all()


def test_equal_scores_come_in_order_of_video_and_position() -> None:
    matrix = Matrix.empty({"x": 3, "y": 3, "z": 3}, dimensions=D)
    matrix.vectors[:] = unit(1, seed=0)
    matrix.start_s[:], matrix.end_s[:] = 0, 1
    hits = search_exact(
        [matrix], unit(1, seed=0)[0], limit=4, entries={"x": "2", "y": "1", "z": "3"}, between=None
    )
    assert hits.videos == ("1", "1", "1", "2")
    assert hits.positions.tolist() == [0, 1, 2, 0]


def test_rows_of_entries_that_do_not_count_are_not_seen() -> None:
    matrix = filled({"gone": 5, "here": 5}, seed=0)
    query = matrix.vectors[2]
    hits = search_exact([matrix], query, limit=10, entries={"here": "v"}, between=None)
    assert set(hits.videos) == {"v"}
    assert sorted(hits.positions.tolist()) == [0, 1, 2, 3, 4]


def test_matrices_are_searched_together() -> None:
    one, two = filled({"a": 20}, seed=0), filled({"b": 20}, seed=1)
    query = unit(1, seed=5)[0]
    hits = search_exact([one, two], query, limit=7, entries={"a": "a", "b": "b"}, between=None)
    scores = np.concatenate([one.vectors @ query, two.vectors @ query])
    assert np.allclose(hits.scores, np.sort(scores)[::-1][:7], atol=1e-6)


def test_a_range_takes_frames_that_overlap_it() -> None:
    matrix = filled({"a": 10}, seed=0)
    hits = search_exact([matrix], unit(1, seed=5)[0], limit=10, entries={"a": "a"}, between=(2.5, 4.0))
    assert sorted(hits.start_s.tolist()) == [2, 3]


def test_nothing_to_search_gives_nothing() -> None:
    empty = Matrix.empty({}, dimensions=D)
    assert len(search_exact([empty], unit(1, seed=0)[0], limit=3, entries={}, between=None)) == 0
    hits = search_exact([filled({"a": 3}, seed=0)], unit(1, seed=0)[0], limit=3, entries={}, between=None)
    assert len(hits) == 0
    assert hits.how == "exact"


def test_a_cosine_is_never_above_one() -> None:
    matrix = Matrix.empty({"a": 1000}, dimensions=D)
    matrix.vectors[:] = unit(1000, seed=3)
    matrix.start_s[:], matrix.end_s[:] = 0, 1
    for row in range(0, 1000, 50):
        hits = search_exact([matrix], matrix.vectors[row], limit=1, entries={"a": "a"}, between=None)
        assert hits.scores[0] <= 1
