"""One stage or two: moments from all frames, or from the best segments on; latency, and what the second way loses.

    python benchmarks/two_stage.py --sizes 100000 1000000 [--dimensions 512] [--queries 50] [--threads 2]

Vectors are made up like video (benchmarks/search.py): slow walks with cuts. A segment's vector is the mean of its ten
seconds of frames, at 3 frames/s, and a video's that of all, each with noise at a cosine of about 0.9: so near to its
frames a trained model's need not be, and one that sees more than they do should not be. What is measured is the search,
not the model. Queries lie near a frame ("frame"), or at a cosine of about 0.2 to the best ones, as CLIP's texts do
("text"). Recall is the share of the ten best moments, found with every frame compared, that a route finds too.

Prints a table and ends with one JSON line.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from search import FINGERPRINT, LIMIT, Vectors, directions, queries, run, unit, videos

from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity
from vidskim.store.records import LevelVectors, VideoRecord
from vidskim.tasks.levels import search_segments, search_videos
from vidskim.tasks.search import SearchResult, search

RETRIEVAL = Fingerprint("made up", "1" * 64, {}, "tempme")
FPS, SEGMENT_FRAMES, NOISE = 3, 30, 0.5
Route = Callable[[Vectors], SearchResult]


def levels_of(vectors: Vectors, generator: np.random.Generator) -> LevelVectors:
    """Segments of ten seconds and the whole, as noisy means."""
    firsts = np.arange(0, len(vectors), SEGMENT_FRAMES)
    parts = [vectors[first : first + SEGMENT_FRAMES].mean(axis=0) for first in firsts]
    means = unit(np.stack([*parts, vectors.mean(axis=0)]))
    noisy = unit(means + np.float32(NOISE) * directions(*means.shape, generator))
    ends = np.append(firsts[1:], len(vectors)) / FPS
    return LevelVectors(noisy[:-1], firsts / FPS, ends, noisy[-1], RETRIEVAL)


def fill(folder: Path, rows: int, dimensions: int) -> Store:
    """A store of frames, segments and whole videos, one commit a video."""
    generator = np.random.default_rng(2)
    store = Store.create(folder, fingerprint=FINGERPRINT, dimensions=dimensions)
    store.keep_levels(fingerprint=RETRIEVAL, dimensions=dimensions)
    for number, vectors in enumerate(videos(rows, dimensions)):
        times = np.arange(len(vectors)) / FPS
        store.add(
            VideoRecord(
                path=f"/library/{number}.mp4",
                identity=Identity(number, number, str(number)),
                duration_s=len(vectors) / FPS,
                fps=float(FPS),
            ),
            vectors=vectors,
            start_s=times,
            end_s=times + 1 / FPS,
            kinds=["I"] * len(vectors),
            fingerprint=FINGERPRINT,
            levels=levels_of(vectors, generator),
        )
    store.compact()
    return store


def moments(result: SearchResult) -> set[tuple[str, float]]:
    """What was found: video and start."""
    return {(found.video, found.start_s) for found in result.found}


def timed(route: Route, asked: Vectors) -> tuple[list[float], list[SearchResult]]:
    """Milliseconds of each search, and its answer."""
    times, results = [], []
    for query in asked:
        start = time.perf_counter()
        results.append(route(query))
        times.append((time.perf_counter() - start) * 1000)
    return times, results


def summary(times: list[float], recall: float | None = None) -> dict[str, Any]:
    """p50 and p95 in milliseconds, and recall."""
    p50, p95 = np.percentile(times, [50, 95])
    row = {"p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1)}
    return row if recall is None else {**row, "recall": round(recall, 3)}


def measure(folder: Path, rows: int, options: argparse.Namespace) -> dict[str, Any]:
    """Everything about one size."""
    store = fill(folder, rows, options.dimensions)
    assert store.levels is not None
    count, (_, segments) = store.count(), store.levels.count()
    facts: dict[str, Any] = {"frames": count.frames, "segments": segments, "videos": count.videos, "rows": {}}
    routes: dict[str, Route] = {
        "one stage": lambda query: search(store, query, limit=LIMIT),
        "two stages": lambda query: search_segments(store, query, query, limit=LIMIT),
        "videos": lambda query: search_videos(store, query, limit=LIMIT),
    }
    for kind in ("frame", "text"):
        asked = queries(store, kind, options.queries)
        for route in routes.values():
            timed(route, asked[:3])
        times, results = timed(routes["one stage"], asked)
        truth = [moments(result) for result in results]
        facts["rows"][f"{kind}: one stage"] = summary(times, 1.0)
        times, results = timed(routes["two stages"], asked)
        shares = [len(moments(got) & best) / len(best) for got, best in zip(results, truth, strict=True)]
        facts["rows"][f"{kind}: two stages"] = summary(times, float(np.mean(shares)))
        for stage in ("segments", "moments"):
            took = [result.took_ms[stage] for result in results]  # type: ignore[attr-defined]
            facts["rows"][f"{kind}: of them {stage}"] = summary(took)
        facts["rows"][f"{kind}: videos"] = summary(timed(routes["videos"], asked)[0])
    return facts


def report(console: Console, results: list[dict[str, Any]]) -> None:
    """One table."""
    table = Table("frames", "segments", "videos", "queries: route", "p50 ms", "p95 ms", "recall@10")
    for facts in results:
        for name, row in facts["rows"].items():
            counts = (str(facts[what]) for what in ("frames", "segments", "videos"))
            recall = f"{row['recall']:.3f}" if "recall" in row else ""
            table.add_row(*counts, name, f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}", recall)
    console.print(table)


def main() -> None:
    run(__doc__, measure, report, sizes=(100_000, 1_000_000), queries=50, width=120)


if __name__ == "__main__":
    main()
