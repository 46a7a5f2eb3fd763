"""The process that indexes: started for one job by `runner.py`, and gone after it, with all its memory.

    python -m vidskim.serve.indexing    # order: one JSON line on stdin; news: JSON lines on stdout

It ends at once when its stdin ends, that is, when the server is gone. Ending it at any moment loses nothing but the
video under way: the store holds a video wholly or not at all.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vidskim.errors import CannotOpenError, VidskimError
from vidskim.pipeline.index import index
from vidskim.pipeline.origin import load_encoder_of, load_segmenter_of, usual_fps
from vidskim.pipeline.progress import Progress
from vidskim.store.dataset import Store
from vidskim.video.clip import Clip
from vidskim.video.guard import Limits
from vidskim.video.read import iter_video

Tell = Callable[[dict[str, Any]], None]


def run(order: dict[str, Any], tell: Tell) -> None:
    """Index what an order names, and tell how it goes.

    Args:
        order: "store", "paths", "roots" (folders they have to lie in), "reindex", "model" (or None), "device",
            "pixels", "duration_s".
        tell: takes {"progress": ...} after each video, {"reading": [name, seconds]} within one, and at the end
            {"report": ...} or {"error": ...}.
    """
    try:
        store = Store.open(order["store"])
        encoder = load_encoder_of(store, source=order["model"], device=order["device"])
        limits = Limits(pixels=order["pixels"], duration_s=order["duration_s"])
        report = index(
            [Path(path) for path in order["paths"]],
            store,
            encoder,
            segmenter=load_segmenter_of(store, encoder, source=order["model"], device=order["device"]),
            fps=usual_fps(store),
            reindex=order["reindex"],
            read=partial(_read, roots=order["roots"], tell=tell, limits=limits),
            on_progress=partial(_tell_progress, tell),
        )
        tell({"report": report.to_json()})
    except VidskimError as error:
        tell({"error": str(error)})


def _read(path: Path, *, roots: Sequence[str], tell: Tell, **settings: Any) -> Iterator[Clip]:
    real = path.resolve()  # a link may have been put there since the job was made
    if not any(real.is_relative_to(root) for root in roots):
        raise CannotOpenError("it lies outside the folders that are served", path=str(path))
    for clip in iter_video(path, **settings):
        yield clip
        tell({"reading": [path.name, float(clip.times_s[-1])]})


def _tell_progress(tell: Tell, progress: Progress) -> None:
    tell({"progress": vars(progress)})


def _end_with_server() -> None:
    """Wait until the server's side of stdin is closed, and go."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def main() -> None:
    """One order."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    lock = threading.Lock()  # reading tells from a thread of its own

    def tell(news: dict[str, Any]) -> None:
        with lock:
            out.write(json.dumps(news) + "\n")
            out.flush()

    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    run(order, tell)


if __name__ == "__main__":
    main()
