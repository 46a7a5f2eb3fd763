"""Exact search: one product with every vector that may answer, best first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vidskim.store.matrix import Matrix
from vidskim.store.records import Floats, Hits, Vectors

_GATHERED = 0.25  # below this share of rows, they are copied out first instead of multiplying all
_BLOCK = 16_384  # rows copied at a time
_SMALL = 2**18  # numbers in a matrix: one thread is done with it before a second one has woken up
_ROUNDING = 1e-6  # a fast product scores equal vectors apart by this much, depending on where they lie


@dataclass(frozen=True)
class Candidates:
    """Frames that may be among the nearest, each field [k]: video ids, positions, seconds, seconds, cosines."""

    videos: NDArray[np.str_]
    positions: NDArray[np.int64]
    start_s: Floats
    end_s: Floats
    scores: Vectors

    def best(self, limit: int, *, how: Literal["exact", "index"]) -> Hits:
        """The first ones by score, then video id, then position."""
        order = np.lexsort((self.positions, self.videos, -self.scores))[:limit]
        return Hits(
            videos=tuple(self.videos[order].tolist()),
            positions=self.positions[order],
            start_s=self.start_s[order],
            end_s=self.end_s[order],
            scores=np.clip(self.scores[order], -1.0, 1.0),
            how=how,
        )


def search_exact(
    matrices: Iterable[Matrix],
    query: Vectors,
    *,
    limit: int,
    entries: Mapping[str, str],
    between: tuple[float, float] | None,
) -> Hits:
    """The frames nearest to one query, float32 [d]; the rest as in `search_exact_each`."""
    return search_exact_each(matrices, query[None], limit=limit, entries=entries, between=between)[0]


def search_exact_each(
    matrices: Iterable[Matrix],
    queries: Vectors,
    *,
    limit: int,
    entries: Mapping[str, str],
    between: tuple[float, float] | None,
) -> list[Hits]:
    """The frames nearest to each of some queries. The vectors are gone through once for all of them.

    Args:
        matrices: together they hold each entry once.
        queries: float32 [q, d], unit length.
        limit: how many at most, for each.
        entries: those that may answer, entry -> video id.
        between: only frames that overlap this half-open range of seconds in their video.
    """
    found: list[list[Candidates]] = [[] for _ in queries]
    for matrix in matrices:
        if not len(matrix):
            continue
        rows = _rows(matrix, entries, between)
        scores = multiply_each(matrix.vectors, queries, rows)
        for each, query, column in zip(found, queries, scores, strict=True):
            each.append(_nearest(matrix, query, column, rows=rows, limit=limit, entries=entries))
    return [_joined(each, limit) for each in found]


def _joined(found: Sequence[Candidates], limit: int) -> Hits:
    if not found:
        nothing = np.empty(0, np.float64)
        return Hits((), nothing.astype(np.int64), nothing, nothing, nothing.astype(np.float32), "exact")
    fields = ("videos", "positions", "start_s", "end_s", "scores")
    columns = {name: np.concatenate([getattr(each, name) for each in found]) for name in fields}
    return Candidates(**columns).best(limit, how="exact")


def _nearest(
    matrix: Matrix,
    query: Vectors,
    scores: Vectors,
    *,
    rows: NDArray[np.int64] | None,
    limit: int,
    entries: Mapping[str, str],
) -> Candidates:
    """The best of a matrix for one query, from the scores of the rows that may answer."""
    kept = np.arange(len(scores))
    if len(scores) > limit:
        last = torch.topk(torch.from_numpy(scores), limit, sorted=False).values.min().item()
        kept = np.flatnonzero(scores >= last - _ROUNDING)
    chosen = kept if rows is None else rows[kept]
    names = list(matrix.entries)
    owners = matrix.owners[chosen]
    firsts = np.array([matrix.entries[names[owner]][0] for owner in owners], np.int64)
    return Candidates(
        videos=np.array([entries[names[owner]] for owner in owners], np.str_),
        positions=chosen - firsts,
        start_s=matrix.start_s[chosen],
        end_s=matrix.end_s[chosen],
        scores=_same_for_equal(matrix.vectors, query, chosen),
    )


def _rows(
    matrix: Matrix, entries: Mapping[str, str], between: tuple[float, float] | None
) -> NDArray[np.int64] | None:
    """The rows that may answer; None means all."""
    allowed = np.array([entry in entries for entry in matrix.entries])
    if allowed.all() and between is None:
        return None
    passing = allowed[matrix.owners]
    if between is not None:
        passing &= (matrix.start_s < between[1]) & (matrix.end_s > between[0])
    return np.flatnonzero(passing)


def multiply(vectors: Vectors, query: Vectors, rows: NDArray[np.int64] | None = None) -> Vectors:
    """Cosines of all vectors or some rows with one query, float32 [n], on torch's threads."""
    scores: Vectors = multiply_each(vectors, query[None], rows)[0]
    return scores


def multiply_each(vectors: Vectors, queries: Vectors, rows: NDArray[np.int64] | None = None) -> Vectors:
    """Cosines of all vectors or some rows with each query, float32 [q, n], on torch's threads."""
    matrix, columns = torch.from_numpy(vectors), torch.from_numpy(np.ascontiguousarray(queries.T))
    if rows is None or len(rows) > _GATHERED * len(vectors):
        scores = _product(matrix, columns)
        return scores if rows is None else scores[:, rows]
    scores = np.empty((len(queries), len(rows)), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = torch.from_numpy(rows[start : start + _BLOCK])
        scores[:, start : start + _BLOCK] = _product(matrix[block], columns)
    return scores


def _product(matrix: torch.Tensor, columns: torch.Tensor) -> Vectors:
    """[n, d] and [d, q] to [q, n], each row in one piece of memory."""
    if columns.shape[1] == 1:  # one column has faster ways
        if matrix.numel() <= _SMALL:
            scores: Vectors = np.einsum("nd,dq->qn", matrix.numpy(), columns.numpy())
            return scores
        return torch.mv(matrix, columns[:, 0]).numpy()[None]
    return torch.mm(columns.T, matrix.T).numpy()


def _same_for_equal(vectors: Vectors, query: Vectors, rows: NDArray[np.int64]) -> Vectors:
    """Cosines by a sum that is the same for equal vectors wherever they lie, so that ties are ties."""
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = vectors[rows[start : start + _BLOCK]].astype(np.float64)
        scores[start : start + _BLOCK] = (block * query).sum(axis=1)
    return scores
