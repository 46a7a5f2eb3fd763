"""Work on threads: some at a time, and behind it a queue with a limit and a deadline."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio.to_thread

from vidskim.serve.refusal import RefusedError

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Lane:
    """Call it with work that blocks. Use within one event loop."""

    def __init__(self, *, at_once: int, queue: int, deadline_s: float) -> None:
        """Nothing runs yet.

        Args:
            at_once: how many are worked on together.
            queue: how many may wait.
            deadline_s: seconds one may wait.
        """
        self.depth = 0  # how many wait
        self._limit, self._deadline_s = queue, deadline_s
        self._room = asyncio.Semaphore(at_once)
        self._threads = anyio.CapacityLimiter(at_once)

    async def __call__(
        self, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """What the work returns; it was done on a thread.

        Raises:
            RefusedError: busy if too many wait, or it waited for too long.
        """
        if self._room.locked() and self.depth >= self._limit:
            raise RefusedError("busy", f"{self._limit} requests are waiting already; try again")
        self.depth += 1
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._room.acquire()
        except TimeoutError:
            raise RefusedError("busy", f"it waited for {self._deadline_s:g} s; try again") from None
        finally:
            self.depth -= 1
        try:
            return await anyio.to_thread.run_sync(partial(work, *given, **named), limiter=self._threads)
        finally:
            self._room.release()
