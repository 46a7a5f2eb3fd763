"""Stands in for the process that indexes: does what the order's first path says."""

import json
import sys
import time
from pathlib import Path


def tell(**news: object) -> None:
    print(json.dumps(news), flush=True)


def counts(done: int, failed: int = 0) -> dict[str, int]:
    return {"listed": 2, "done": done, "failed": failed, "skipped": 0, "frames": 4 * done}


order = json.loads(sys.stdin.readline())
behaviour = Path(order["paths"][0]).stem
tell(reading=["one.mp4", 1.5])
if behaviour == "hang":
    time.sleep(600)
if behaviour == "crash":
    sys.exit(3)
if behaviour == "refuse":
    tell(error="the store holds vectors of another extractor")
    sys.exit(0)
tell(progress=counts(1))
failures = [{"path": "/somewhere/two.mp4", "kind": "cannot_open", "message": "no video"}]
tell(progress=counts(1, 1))
tell(report={**counts(1, 1), "failures": failures})
