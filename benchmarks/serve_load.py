"""The server under load: requests a second, latency, errors, memory, and what the index misses.

    python benchmarks/serve_load.py --sizes 100000 1000000 [--clients 1 32] [--seconds 30] [--place FOLDER]

A real `vidskim serve` on loopback, and clients in another process, each of which asks `POST /v1/search` for ten
moments again and again, a sentence after the other, over one connection. The store holds made-up vectors as in
search.py, of the bundled model's width; its topics lie at a cosine of about 0.25 to the sentences, as frames do to
CLIP's texts. It is asked without an index, which is exact, and with one, which the server then takes above 200,000
frames. Recall is the share of the exact ten moments that are found with the index. 429 with Retry-After is a refusal,
and the client waits for as long; every other status, and a 429 without that header, is an error.

Prints a table and ends with one JSON line.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from search import Vectors, directions, fill, unit

from vidskim.pipeline.load import load_model
from vidskim.store.dataset import Store
from vidskim.synth.draw import draw_script

VIDSKIM = [sys.executable, "-c", "from vidskim.cli.main import main; main()"]
SENTENCES, PROBES, TOP_K = 200, 50, 10
ALIKE = 0.25  # cosine of a sentence and its topic
WARM_S = 2.0


@dataclass
class Heard:
    """What one client heard: seconds of each answer, refusals, errors by status or name."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    errors: dict[str, int] = field(default_factory=dict)


def sentences() -> list[str]:
    """Captions of the synthetic world."""
    scripts = (draw_script("test", seed=0, number=number) for number in range(10 * SENTENCES))
    captions = dict.fromkeys(event.captions[0] for script in scripts for event in script.events)
    return list(islice(captions, SENTENCES))


def make_store(folder: Path, rows: int, asked: Sequence[str]) -> Store:
    """A store that the bundled model can be asked about."""
    model = load_model("demo")
    texts: Vectors = model.encode_text(asked).numpy()
    apart = unit(directions(*texts.shape, np.random.default_rng(2)))
    topics = unit(ALIKE * texts + np.sqrt(1 - ALIKE**2, dtype=np.float32) * apart)
    origin = {"source": "demo", "method": "full"}
    store = Store.create(folder, fingerprint=model.fingerprint, dimensions=texts.shape[1], origin=origin)
    fill(store, rows, topics=topics)
    store.compact()
    return store


@contextmanager
def serving(store: Path) -> Iterator[tuple[int, int]]:
    """A server of its own: process id and port."""
    command = [*VIDSKIM, "serve", "--store", str(store), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        said = []
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            raise RuntimeError(f"the server ended: {''.join(said)}")
        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield server.pid, int(found[1])
    finally:
        server.terminate()
        server.wait(60)


def ask(connection: HTTPConnection, sentence: str) -> tuple[int, str | None, dict[str, Any]]:
    """Status, Retry-After, answer."""
    body = json.dumps({"query": sentence, "top_k": TOP_K, "threshold": -1.0})
    connection.request("POST", "/v1/search", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.getheader("Retry-After"), json.loads(answer.read())


def client(port: int, asked: Sequence[str], heard: Heard, *, begin: float, end: float) -> None:
    """One client; only answers between two times of the clock count."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    number = 0
    while (start := time.monotonic()) < end:
        try:
            status, again, answer = ask(connection, asked[number % len(asked)])
        except OSError as error:
            status, again, answer = 0, None, {"error": type(error).__name__}
            connection.close()
        number += 1
        if status == 429 and again is not None:
            heard.refused += start >= begin
            time.sleep(float(again))
        elif status != 200 or len(answer["results"]) != TOP_K:
            name = f"{status} {answer.get('error', 'results missing')}"
            heard.errors[name] = heard.errors.get(name, 0) + 1
        elif start >= begin:
            heard.seconds.append(time.monotonic() - start)
    connection.close()


def drive(port: int, asked: Sequence[str], clients: int, seconds: float) -> list[Heard]:
    """All clients at once, in the process that this is called in."""
    begin = time.monotonic() + WARM_S
    heard = [Heard() for _ in range(clients)]
    threads = [
        threading.Thread(
            target=client,
            args=(port, [*asked[at:], *asked[:at]], heard[at]),
            kwargs={"begin": begin, "end": begin + seconds},
        )
        for at in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return heard


def answers(port: int, asked: Sequence[str]) -> tuple[str, list[set[tuple[str, float]]]]:
    """How the server searches, and the moments it finds for each sentence."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    found, how = [], ""
    for sentence in asked:
        status, _, answer = ask(connection, sentence)
        assert status == 200, answer
        found.append({(hit["video_id"], hit["start"]) for hit in answer["results"]})
        how = answer["how"]
    connection.close()
    return how, found


def memory_mb(pid: int) -> dict[str, float]:
    """What a process holds of its own, and the pages of mapped files beside (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = {name: int(size) for name, size in re.findall(r"(\w+):\s+(\d+) kB", status)}
    return {"own": round(kilobytes["RssAnon"] / 1024, 1), "mapped": round(kilobytes["RssFile"] / 1024, 1)}


def measure(
    folder: Path, asked: Sequence[str], options: argparse.Namespace, truth: list[set[Any]] | None
) -> tuple[list[dict[str, Any]], list[set[Any]]]:
    """One server: a row for each number of clients, and what it found."""
    rows = []
    with (
        serving(folder) as (pid, port),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere,
    ):
        how, found = answers(port, asked[:PROBES])
        recall = [len(one & right) / len(right) for one, right in zip(found, truth or found, strict=True)]
        for clients in options.clients:
            before = memory_mb(pid)
            heard = elsewhere.submit(drive, port, asked, clients, options.seconds).result()
            seconds = np.array([each for one in heard for each in one.seconds])
            p50, p95, p99 = np.percentile(seconds * 1000, [50, 95, 99]).round(1).tolist()
            rows.append(
                {
                    "how": how,
                    "clients": clients,
                    "per_s": round(len(seconds) / options.seconds, 1),
                    "p50_ms": p50,
                    "p95_ms": p95,
                    "p99_ms": p99,
                    "refused": sum(one.refused for one in heard),
                    "errors": [one.errors for one in heard if one.errors],
                    "recall": round(float(np.mean(recall)), 4),
                    "before_mb": before,
                    "after_mb": memory_mb(pid),
                }
            )
    return rows, found


def report(console: Console, results: Sequence[dict[str, Any]]) -> None:
    """A row for each measurement."""
    table = Table(
        *("frames", "search", "clients", "requests/s", "p50 ms", "p95 ms", "p99 ms", "429", "errors"),
        *("recall@10", "own MB before, after", "mapped MB"),
        title="POST /v1/search",
    )
    for row in results:
        before, after = row["before_mb"], row["after_mb"]
        figures = [row[name] for name in ("per_s", "p50_ms", "p95_ms", "p99_ms", "refused")]
        table.add_row(
            *map(str, (row["frames"], row["how"], row["clients"], *figures)),
            *(str(sum(sum(each.values()) for each in row["errors"])), f"{row['recall']:.3f}"),
            *(f"{before['own']:.0f}, {after['own']:.0f}", f"{after['mapped']:.0f}"),
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--place", type=Path, help="folder for the stores; a temporary one if not given")
    options = parser.parse_args()
    asked, results = sentences(), []
    for frames in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.place) as folder:
            place = Path(folder) / "store"
            store = make_store(place, frames, asked)
            rows, truth = measure(place, asked, options, None)
            store.build_index()
            more, _ = measure(place, asked, options, truth)
            results += [{"frames": frames, **row} for row in (*rows, *more)]
    report(Console(width=150), results)
    facts = {"machine": platform.machine(), "cores": os.cpu_count(), "seconds": options.seconds}
    print(json.dumps({**facts, "results": results}))
    if any(row["errors"] for row in results):
        raise SystemExit("there were errors")


if __name__ == "__main__":
    main()
