"""What routes work with, made once for an app."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from vidskim.serve.access import Access
from vidskim.serve.batching import Batcher
from vidskim.serve.caps import Caps
from vidskim.serve.decoding import Decoders
from vidskim.serve.engine import Engine
from vidskim.serve.jobs import Job, JobBook
from vidskim.serve.lanes import Lane
from vidskim.serve.metrics import Metrics
from vidskim.serve.question import Findings, Question
from vidskim.serve.runner import JobRunner
from vidskim.serve.texts import LevelText
from vidskim.serve.uploads import Uploads
from vidskim.store.records import Vectors

UPLOADS = "uploads"  # folder in the data folder; also its label
DECODERS = 2  # processes
TEXTS_AT_ONCE, SEARCHES_AT_ONCE = 64, 32
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass
class Services:
    """Parts of an app, and its queues.

    Args:
        engine: answers.
        access: who may ask.
        caps: how much.
        decoders: for thumbnails, pictures, uploads.
        runner: of jobs.
        uploads: where uploads go.
    """

    engine: Engine
    access: Access
    caps: Caps
    decoders: Decoders
    runner: JobRunner
    uploads: Uploads

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.pictures: OrderedDict[tuple[str, float, int], bytes] = (
            OrderedDict()
        )  # thumbnails, last used last
        self.is_ready = False
        self.texts: Batcher[str, Vectors] = self._queue(
            self.engine.encode_texts, name="texts", most=TEXTS_AT_ONCE
        )
        self.level_texts: Batcher[str, LevelText] = self._queue(
            self.engine.level_texts.encode, name="level-texts", most=TEXTS_AT_ONCE
        )
        self.searches: Batcher[Question, Findings] = self._queue(
            self.engine.search_each, name="searches", most=SEARCHES_AT_ONCE
        )
        self.runner.on_end = self._note_end
        self.on_model = self._lane("model", at_once=1)  # pictures and labels
        self.on_decoder = self._lane("decoder", at_once=self.decoders.count)  # methods of `decoders`
        self._chores: set[asyncio.Task[None]] = set()

    def _queue(
        self, work: Callable[[Sequence[Asked]], Sequence[Answer | Exception]], *, name: str, most: int
    ) -> Batcher[Asked, Answer]:
        """Within the caps, and measured."""
        made = Batcher(
            work,
            name=name,
            most=most,
            on_batch=self.metrics.batches.labels(name).observe,
            queue=self.caps.queue,
            deadline_s=self.caps.deadline_s,
        )
        self.metrics.waiting.labels(name).set_function(lambda: made.depth)
        return made

    def _lane(self, name: str, *, at_once: int) -> Lane:
        """Within the caps, and measured."""
        made = Lane(at_once=at_once, queue=self.caps.queue, deadline_s=self.caps.deadline_s)
        self.metrics.waiting.labels(name).set_function(lambda: made.depth)
        return made

    async def start(self) -> None:
        """Begin to answer."""
        for queue in (self.texts, self.level_texts, self.searches):
            queue.start()
        self.runner.start()
        self.is_ready = True

    async def close(self) -> None:
        """Answer what waits, then end."""
        self.is_ready = False
        await self.runner.close()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await asyncio.gather(self.texts.close(), self.level_texts.close(), self.searches.close())
        await asyncio.to_thread(self.decoders.close)

    def _note_end(self, job: Job) -> None:
        """A job has ended: the store may hold more, and its scores may lie elsewhere."""
        self.metrics.jobs.labels(job.state).inc()
        chore = asyncio.get_running_loop().create_task(asyncio.to_thread(self.engine.calibrate))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)


def make_services(
    engine: Engine, *, data: Path, access: Access, caps: Caps, command: Sequence[str]
) -> Services:
    """The parts of an app around an engine; arguments as in `create_app`."""
    decoders = Decoders(count=DECODERS)
    order = {
        "store": engine.store.uri,
        "model": engine.source,
        "device": engine.device,
        "roots": list(map(str, engine.roots.folders)),
        "pixels": caps.pixels,
        "duration_s": caps.duration_s,
    }
    return Services(
        engine=engine,
        access=access,
        caps=caps,
        decoders=decoders,
        runner=JobRunner(JobBook(data / "jobs"), order=order, most=caps.jobs, command=command),
        uploads=Uploads(data / UPLOADS, caps=caps, decoders=decoders),
    )


def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Parts = Annotated[Services, Depends(_services)]
