"""Work on threads: how many at a time, how many wait, and for how long."""

import asyncio
import threading
import time
from typing import Any

from vidskim.serve.lanes import Lane
from vidskim.serve.refusal import RefusedError


def test_a_full_queue_and_a_passed_deadline() -> None:
    async def ask() -> tuple[list[Any], int]:
        release = threading.Event()
        lane = Lane(at_once=1, queue=2, deadline_s=0.2)
        first = asyncio.create_task(lane(release.wait, 60))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(lane(str, number)) for number in range(3)]
        await asyncio.sleep(0.05)
        depth = lane.depth
        refused = await asyncio.gather(*others, return_exceptions=True)
        release.set()
        return [*refused, await first, await lane(str, 4)], depth

    (waited, _, surplus, first, last), depth = asyncio.run(ask())
    assert isinstance(waited, RefusedError)
    assert (waited.status, str(waited)) == (429, "it waited for 0.2 s; try again")
    assert str(surplus) == "2 requests are waiting already; try again"
    assert (depth, first, last) == (2, True, "4")


def test_as_many_at_a_time_as_there_is_room_for() -> None:
    under_way, most = [0], [0]

    def work() -> None:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        under_way[0] -= 1

    async def ask() -> None:
        lane = Lane(at_once=2, queue=10, deadline_s=30.0)
        await asyncio.gather(*(lane(work) for _ in range(8)))

    asyncio.run(ask())
    assert most == [2]
