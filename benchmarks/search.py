"""Search in stores of growing size: latency, recall of the index, what it takes to make and keep it.

    python benchmarks/search.py --sizes 10000 100000 1000000 [--dimensions 512] [--queries 100] [--threads 2]

Vectors are made up like video: each video is a slow walk with cuts from one of 200 topics. Queries are of two kinds:
"frame", a frame with noise, near its neighbours; "text", at a cosine of about 0.2 to the best frames, as CLIP's texts
are, and hard for an index. Recall is the share of the exact ten nearest that the index finds. Opening and the first
exact search, which writes the cache, are timed apart; the later ones find it in memory.

Prints a table and ends with one JSON line.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity
from vidskim.store.location import bytes_below
from vidskim.store.records import VideoRecord

FINGERPRINT = Fingerprint("made up", "0" * 64, {}, "full")
TOPICS, FRAMES_A_VIDEO, LIMIT = 200, 180, 10
Vectors = NDArray[np.float32]


def directions(count: int, dimensions: int, generator: np.random.Generator) -> Vectors:
    """Random vectors of length about one."""
    return generator.standard_normal((count, dimensions), np.float32) / np.float32(dimensions**0.5)


def unit(vectors: Vectors) -> Vectors:
    """Vectors of length one."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def videos(rows: int, dimensions: int, *, seed: int = 0, topics: Vectors | None = None) -> Iterator[Vectors]:
    """Walks of about a minute at 3 frames/s, with a cut every 40 frames or so, until there are enough frames."""
    generator = np.random.default_rng(seed)
    if topics is None:
        topics = directions(TOPICS, dimensions, generator)
    while rows:
        count = min(int(generator.integers(FRAMES_A_VIDEO // 5, 2 * FRAMES_A_VIDEO)), rows)
        steps = directions(count, dimensions, generator) * np.float32(0.15)
        steps[generator.random(count) < 1 / 40] *= 4
        steps[0] = topics[generator.integers(len(topics))] + 0.7 * directions(1, dimensions, generator)[0]
        yield unit(np.cumsum(steps, axis=0) + 0.1 * directions(count, dimensions, generator))
        rows -= count


def fill(store: Store, rows: int, *, topics: Vectors | None = None) -> None:
    """Put so many frames into a store, with one commit a video."""
    about = store.about
    for number, vectors in enumerate(videos(rows, about.dimensions, topics=topics)):
        times = np.arange(len(vectors)) / 3
        store.add(
            VideoRecord(
                path=f"/library/{number % 20}/{number}.mp4",
                identity=Identity(number, number, str(number)),
                duration_s=len(vectors) / 3,
                fps=3.0,
            ),
            vectors=vectors,
            start_s=times,
            end_s=times + 1 / 3,
            kinds=["I"] * len(vectors),
            fingerprint=about.fingerprint,
        )


def queries(store: Store, kind: str, count: int) -> Vectors:
    """Queries around frames of the store."""
    generator = np.random.default_rng(1)
    ids = [video.id for video in store.videos()]
    frames = [store.frames(ids[generator.integers(len(ids))]).vectors for _ in range(count)]
    chosen = np.stack([each[generator.integers(len(each))] for each in frames])
    near = unit(chosen + 0.8 * directions(*chosen.shape, generator))
    return near if kind == "frame" else unit(0.25 * near + 0.97 * directions(*chosen.shape, generator))


def search_all(store: Store, asked: Vectors, how: str, **filters: Any) -> tuple[list[float], list[set[Any]]]:
    """Milliseconds of each search, and what it found."""
    times, found = [], []
    for query in asked:
        start = time.perf_counter()
        hits = store.nearest(query, limit=LIMIT, how=how, **filters)
        times.append((time.perf_counter() - start) * 1000)
        found.append(set(zip(hits.videos, hits.positions.tolist(), strict=True)))
    return times, found


def timed(action: Any) -> float:
    """Seconds an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def summary(times: list[float], found: list[set[Any]], truth: list[set[Any]]) -> dict[str, float]:
    """p50 and p95 in milliseconds, and recall."""
    recall = np.mean([len(got & right) / len(right) for got, right in zip(found, truth, strict=True)])
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "recall": round(float(recall), 4)}


def megabytes(folder: Path) -> float:
    """Of a folder and below."""
    return round(bytes_below(folder) / 1e6, 1)


def measure(folder: Path, rows: int, options: argparse.Namespace) -> dict[str, Any]:
    """Everything about one size."""
    facts: dict[str, Any] = {"rows": rows}
    empty = Store.create(folder, fingerprint=FINGERPRINT, dimensions=options.dimensions)
    facts["fill_s"] = round(timed(lambda: fill(empty, rows)), 1)
    facts["compact_s"] = round(timed(Store.open(folder).compact), 1)
    facts["tables_mb"] = megabytes(folder)
    facts["videos"] = Store.open(folder).count().videos
    store = Store.open(folder)
    probe = queries(store, "frame", 1)
    facts["first_search_s"] = round(timed(lambda: search_all(store, probe, "exact")), 2)
    facts["next_process_s"] = round(timed(lambda: search_all(Store.open(folder), probe, "exact")), 3)
    facts["cache_mb"] = megabytes(folder / ".cache")
    before = bytes_below(folder)
    facts["build_s"] = round(timed(store.build_index), 1)
    facts["index_mb"] = round((bytes_below(folder) - before) / 1e6, 1)
    for kind in ("frame", "text"):
        asked = queries(store, kind, options.queries)
        for how in ("exact", "index"):
            search_all(store, asked[:5], how)
        exact, truth = search_all(store, asked, "exact")
        facts[f"{kind} exact"] = summary(exact, truth, truth)
        facts[f"{kind} index"] = summary(*search_all(store, asked, "index"), truth)
        facts[f"{kind} auto"] = store.nearest(asked[0]).how
    few, right = search_all(store, asked, "exact", folder="/library/7")
    facts["one folder of 20: exact"] = summary(few, right, right)
    facts["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return facts


def report(console: Console, results: list[dict[str, Any]]) -> None:
    """Two tables: searches, and what they cost to prepare."""
    searches = Table("rows", "queries", "how", "p50 ms", "p95 ms", "recall@10", title="search")
    for facts in results:
        for name, row in facts.items():
            if isinstance(row, dict):
                kind, _, how = name.replace(":", "").rpartition(" ")
                figures = (f"{row['p50_ms']:.2f}", f"{row['p95_ms']:.2f}", f"{row['recall']:.3f}")
                searches.add_row(str(facts["rows"]), kind, how, *figures)
    columns = [name for name, value in results[0].items() if not isinstance(value, dict | str)]
    costs = Table(*columns, title="what it takes (peak_mb includes pages of the mapped cache)")
    for facts in results:
        costs.add_row(*(str(facts[name]) for name in columns))
    console.print(searches)
    console.print(costs)


def run(
    about: str | None,
    measure: Callable[[Path, int, argparse.Namespace], Any],
    report: Callable[[Console, list[Any]], None],
    *,
    sizes: Sequence[int],
    queries: int,
    width: int,
) -> None:
    """The command line of a benchmark over stores of several sizes: each is made, measured and removed, then reported.

    Args:
        about: what --help says.
        measure: one size, from the place for its store, its rows and the options.
        report: prints a table of all that was measured.
        sizes: of the stores, unless others are asked for.
        queries: likewise.
        width: of the table.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(sizes))
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--queries", type=int, default=queries)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--place", type=Path, help="folder for the stores; a temporary one if not given")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    facts = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "lancedb": lancedb.__version__,
        "threads": options.threads,
        "dimensions": options.dimensions,
        "limit": LIMIT,
    }
    results = []
    for rows in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.place) as folder:
            results.append(measure(Path(folder) / "store", rows, options))
    report(Console(width=width), results)
    print(json.dumps({**facts, "results": results}))


def main() -> None:
    run(__doc__, measure, report, sizes=(10_000, 100_000, 1_000_000), queries=100, width=150)


if __name__ == "__main__":
    main()
