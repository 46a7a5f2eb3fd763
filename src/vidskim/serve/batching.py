"""Requests that come close together, answered by one call on a thread of their own."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from vidskim.serve.refusal import RefusedError

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass
class _Waiting(Generic[Question, Answer]):
    question: Question
    answer: "asyncio.Future[Answer]"


class Batcher(Generic[Question, Answer]):
    """A queue with a limit, and one thread that takes from it as many as there are, up to a limit.

    Under load batches fill by themselves while the one before is worked on; `linger_s` fills the first.
    Use within one event loop; `start` and `close` it there.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Question]], Sequence[Answer | Exception]],
        *,
        name: str,
        most: int,
        queue: int,
        deadline_s: float,
        linger_s: float = 0.002,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            work: from questions to as many answers, in order; an exception is the answer to its question alone.
            name: of the thread.
            most: questions in a batch.
            queue: questions that may wait.
            deadline_s: seconds from a question to its answer.
            linger_s: seconds the first of a batch waits for others.
            on_batch: told the size of each.
        """
        self._work, self._most, self._limit = work, most, queue
        self._deadline_s, self._linger_s, self._on_batch = deadline_s, linger_s, on_batch
        self._queue: deque[_Waiting[Question, Answer]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"vidskim-{name}")
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Answer what waits, refuse what comes, and end the thread."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown(wait=True)

    @property
    def depth(self) -> int:
        """How many wait."""
        return len(self._queue)

    async def ask(self, question: Question) -> Answer:
        """One question.

        Raises:
            RefusedError: busy if too many wait or it took too long; not_ready while closing.
        """
        if self._closing:
            raise RefusedError("not_ready", "the server is stopping")
        if len(self._queue) >= self._limit:
            raise RefusedError("busy", f"{self._limit} requests are waiting already; try again")
        waiting: _Waiting[Question, Answer] = _Waiting(question, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await waiting.answer
        except TimeoutError:
            raise RefusedError("busy", f"no answer within {self._deadline_s:g} s; try again") from None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            if len(self._queue) < self._most and not self._closing:
                await asyncio.sleep(self._linger_s)
            batch = self._take()
            if not self._queue:
                if self._closing and not batch:
                    return
                if not self._closing:
                    self._arrived.clear()
            if not batch:
                continue
            self._on_batch(len(batch))
            try:
                answers = await loop.run_in_executor(
                    self._thread, self._work, [waiting.question for waiting in batch]
                )
                if len(answers) != len(batch):
                    raise RuntimeError(f"{len(answers)} answers came to {len(batch)} questions")
            except Exception as error:
                answers = [error] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                _settle(waiting, answer)

    def _take(self) -> list[_Waiting[Question, Answer]]:
        """The next ones whose askers still wait."""
        batch: list[_Waiting[Question, Answer]] = []
        while self._queue and len(batch) < self._most:
            waiting = self._queue.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
        return batch


def _settle(waiting: _Waiting[Question, Answer], answer: Answer | Exception) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):  # whoever asked has gone
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
