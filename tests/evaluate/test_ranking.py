"""Retrieval scores by hand, against their definition, and where everything ties."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from vidskim.errors import SettingsError
from vidskim.evaluate.ranking import rank_with_ties, score_retrieval, similarities


def test_ranks_by_hand() -> None:
    ranks = rank_with_ties([[0.9, 0.1, 0.5], [0.2, 0.3, 0.1], [0.4, 0.4, 0.4]], [0, 0, 2])
    assert ranks.above.tolist() == [0, 1, 0]
    assert ranks.tied.tolist() == [1, 1, 3]
    assert ranks.expected.tolist() == [1, 2, 2]
    assert ranks.recall(1) == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert ranks.recall(2) == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert ranks.recall(5) == 1


@pytest.mark.parametrize("videos", [1, 4, 1000])
def test_constant_similarities_score_chance(videos: int) -> None:
    for scores in score_retrieval(np.full((videos, videos), 0.3), range(videos)):
        assert scores.recalls == {k: pytest.approx(100 * min(1, k / videos)) for k in (1, 5, 10, 50)}
        assert scores.median_rank == scores.mean_rank == (videos + 1) / 2
        assert (scores.queries, scores.items) == (videos, videos)


@given(st.integers(0, 999), st.integers(2, 12), st.integers(1, 4))
def test_ties_are_the_mean_over_their_orders(seed: int, items: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    row = rng.integers(0, levels, items).astype(float)
    truth = int(rng.integers(items))
    ranks = rank_with_ties(row[None], [truth])
    places = []
    for tie in range(ranks.tied[0]):  # the right item first, second ... of its equals
        places.append(int((row > row[truth]).sum()) + tie + 1)
    assert ranks.expected[0] == pytest.approx(np.mean(places))
    for k in (1, 2, 5):
        assert ranks.recall(k) == pytest.approx(np.mean([place <= k for place in places]))


def test_one_text_a_video_is_the_matrix_and_its_transpose() -> None:
    similarity = np.random.default_rng(0).normal(size=(60, 60)) + 1.5 * np.eye(60)
    to_video, to_text = score_retrieval(similarity, range(60))
    order = np.argsort(-similarity, axis=1)
    places = np.array([np.flatnonzero(row == number)[0] + 1 for number, row in enumerate(order)])
    assert to_video.recalls[5] == pytest.approx(100 * (places <= 5).mean())
    assert (to_video.median_rank, to_video.mean_rank) == (np.median(places), places.mean())
    assert to_video.r_sum == pytest.approx(sum(to_video.recalls[k] for k in (1, 5, 10)))
    assert score_retrieval(similarity.T, range(60))[0] == to_text
    assert list(to_video.to_json())[:4] == ["R@1", "R@5", "R@10", "R@50"]


def test_equal_vectors_are_equally_similar_wherever_they_lie(generator: torch.Generator) -> None:
    texts, videos = (F.normalize(torch.randn(n, 64, generator=generator), dim=1) for n in (37, 101))
    texts[[5, 20, 36]] = texts[0].clone()
    videos[[3, 50, 100]] = videos[1].clone()
    found = similarities(texts, videos)
    assert found.dtype == np.float32
    assert np.allclose(found, (texts @ videos.T).numpy(), atol=1e-6)
    assert (found[[5, 20, 36]] == found[0]).all()
    assert (found[:, [3, 50, 100]] == found[:, [1]]).all()


def test_several_texts_a_video() -> None:
    """Two texts of video 0, one of video 2, none of video 1, which is only in the way."""
    similarity = [[0.1, 0.9, 0.2], [0.8, 0.3, 0.4], [0.5, 0.6, 0.7]]
    to_video, to_text = score_retrieval(similarity, [0, 0, 2])
    assert (to_video.queries, to_video.items) == (3, 3)
    assert to_video.mean_rank == pytest.approx((3 + 1 + 1) / 3)
    # each video by its best text: video 0 has 0.8 with its own and 0.5 with video 2's; video 2 has 0.4 and 0.7
    assert (to_text.queries, to_text.items, to_text.recalls[1]) == (2, 2, 100)


@pytest.mark.parametrize(
    ("similarity", "truth", "message"),
    [
        ([], [], r"one or more queries and truth \[n\], received \[0\] and \[0\]"),
        ([[0.1, 0.2]], [0, 1], r"received \[1, 2\] and \[2\]"),
        ([[0.1, float("nan")]], [0], "received nan for query 0 and item 1"),
        ([[0.1, 0.2]], [2], r"an item's number, 0 to 1, received \[2\]"),
    ],
)
def test_what_cannot_be_ranked_is_named(similarity: list[object], truth: list[int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        rank_with_ties(similarity, truth)  # type: ignore[arg-type]
