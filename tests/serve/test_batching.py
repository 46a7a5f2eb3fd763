"""Questions answered together: batches, limits, deadlines, faults of one."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from vidskim.serve.batching import Batcher
from vidskim.serve.refusal import RefusedError


def make(work: Any, **settings: Any) -> Batcher[int, int]:
    return Batcher(work, **{"name": "test", "most": 4, "queue": 8, "deadline_s": 5.0, **settings})


def double(numbers: Sequence[int]) -> list[int | Exception]:
    return [ValueError("thirteen") if number == 13 else 2 * number for number in numbers]


def test_answers_find_their_questions_and_batches_fill() -> None:
    sizes: list[int] = []

    async def ask() -> list[int]:
        batcher = make(double, on_batch=sizes.append)
        batcher.start()
        answers = await asyncio.gather(*(batcher.ask(number) for number in range(8)))
        await batcher.close()
        return answers

    assert asyncio.run(ask()) == [2 * number for number in range(8)]
    assert sum(sizes) == 8
    assert max(sizes) == 4


def test_a_fault_is_of_one_question_alone() -> None:
    async def ask() -> list[Any]:
        batcher = make(double)
        batcher.start()
        answers = await asyncio.gather(*(batcher.ask(n) for n in (1, 13, 2)), return_exceptions=True)
        await batcher.close()
        return answers

    first, fault, last = asyncio.run(ask())
    assert (first, last) == (2, 4)
    assert isinstance(fault, ValueError)


def test_a_wrong_number_of_answers_ends_nothing_but_its_batch() -> None:
    async def ask() -> list[Any]:
        batcher = make(lambda numbers: double(numbers)[1:] if 13 in numbers else double(numbers))
        batcher.start()
        first = await asyncio.gather(batcher.ask(13), batcher.ask(1), return_exceptions=True)
        answers = [*first, await batcher.ask(2)]
        await batcher.close()
        return answers

    *faults, last = asyncio.run(ask())
    assert [str(fault) for fault in faults] == ["1 answers came to 2 questions"] * 2
    assert last == 4


def test_the_loop_goes_on_while_work_is_done() -> None:
    async def ask() -> tuple[int, int, set[str]]:
        names: set[str] = set()

        def slow(numbers: Sequence[int]) -> list[int | Exception]:
            names.add(threading.current_thread().name)
            time.sleep(0.3)
            return double(numbers)

        batcher = make(slow)
        batcher.start()
        question = asyncio.create_task(batcher.ask(1))
        ticks = 0
        while not question.done():
            await asyncio.sleep(0.01)
            ticks += 1
        await batcher.close()
        return question.result(), ticks, names

    answer, ticks, names = asyncio.run(ask())
    assert answer == 2
    assert ticks >= 5
    assert all(name.startswith("vidskim-test") for name in names)


def test_a_full_queue_and_a_passed_deadline() -> None:
    async def ask() -> list[Any]:
        release = threading.Event()

        def held(numbers: Sequence[int]) -> list[int | Exception]:
            release.wait(10)
            return double(numbers)

        batcher = make(held, most=1, queue=2, deadline_s=0.3)
        batcher.start()
        first = asyncio.create_task(batcher.ask(1))
        await asyncio.sleep(0.1)  # it is worked on; two more may wait
        others = [asyncio.create_task(batcher.ask(number)) for number in (2, 3, 4)]
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        release.set()
        await batcher.close()
        return answers

    answers = asyncio.run(ask())
    assert all(isinstance(answer, RefusedError) and answer.status == 429 for answer in answers)
    assert "2 requests are waiting already" in str(answers[3])
    assert "no answer within 0.3 s" in str(answers[0])


def test_closing_answers_what_waits_and_refuses_what_comes() -> None:
    async def ask() -> list[int]:
        batcher = make(double, most=1)
        batcher.start()
        waiting = [asyncio.create_task(batcher.ask(number)) for number in range(3)]
        await asyncio.sleep(0)
        await batcher.close()
        with pytest.raises(RefusedError, match="the server is stopping"):
            await batcher.ask(9)
        return [await each for each in waiting]

    assert asyncio.run(ask()) == [0, 2, 4]
