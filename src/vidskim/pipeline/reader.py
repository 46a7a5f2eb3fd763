"""A background thread that decodes and prepares videos while others are encoded."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from vidskim.errors import NoFramesError, VideoError
from vidskim.pipeline.sources import Source, source_id
from vidskim.pipeline.stages import StageTimes
from vidskim.pipeline.stream import Block, Prepared
from vidskim.video.clip import Clip, Health

Read = Callable[[Path], Iterator[Clip]]
QUEUE_BLOCKS = 4


class Preparer(Protocol):
    """The part of an encoder that reading needs."""

    def prepare(self, clip: Clip) -> Prepared: ...


@dataclass(frozen=True)
class Ending:
    """How the reading of one video ended.

    Args:
        id: content identity, empty if the file could not be opened.
        health: what the decoder counted.
        damaged: whether part of the file was bad.
        kind: stable code of the failure, empty if there was none.
        message: of the failure.
    """

    id: str
    health: dict[str, Any]
    damaged: bool = False
    kind: str = ""
    message: str = ""


@dataclass(frozen=True)
class Item:
    """A block to encode, and, with the last one of a video, how it ended."""

    source: Source
    block: Block | None
    ending: Ending | None = None


class _StoppedError(Exception):
    """The consumer went away."""


class Reader:
    """Iterate over it for the items of all sources in order; leave its `with` to stop the thread."""

    def __init__(
        self, sources: Sequence[Source], *, read: Read, encoder: Preparer, times: StageTimes
    ) -> None:
        self._sources, self._read, self._encoder, self._times = sources, read, encoder, times
        self._queue: queue.Queue[Item | BaseException | None] = queue.Queue(QUEUE_BLOCKS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vidskim-reader", daemon=True)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=10.0)

    def __iter__(self) -> Iterator[Item]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _work(self) -> None:
        try:
            for source in self._sources:
                self._read_one(source)
            self._put(None)
        except _StoppedError:
            pass
        except BaseException as error:  # a fault of ours: the consumer must not wait for ever
            with suppress(_StoppedError):
                self._put(error)

    def _put(self, item: Item | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _StoppedError

    def _read_one(self, source: Source) -> None:
        """Blocks of one video; the last one is held back until it is known to be the last."""
        health: Health | None = None
        held: Prepared | None = None
        sent, id = 0, ""
        try:
            id = source_id(source.path)
            clips = iter(self._read(source.path))
            while (step := self._next(clips)) is not None:
                if held is not None:
                    self._put(Item(source, Block(video=source.name, prepared=held, last=False)))
                    sent += 1
                held, health = step
            if held is None or (not sent and not len(held.times_s)):
                raise NoFramesError("not one frame", path=str(source.path))
            block = Block(video=source.name, prepared=held, last=True)
            self._put(Item(source, block, _ending(id, health)))
        except _StoppedError:
            raise
        except Exception as error:
            end = (
                Block(video=source.name, prepared=_nothing(held), last=True)
                if held is not None and sent
                else None
            )
            self._put(Item(source, end, _ending(id, health, *describe_failure(error))))

    def _next(self, clips: Iterator[Clip]) -> tuple[Prepared, Health] | None:
        """Decode and prepare. The clip, up to `max_bytes` large, is let go before the next one is decoded."""
        with self._times.measure("decode"):
            clip = next(clips, None)
        if clip is None:
            return None
        with self._times.measure("prepare"):
            return self._encoder.prepare(clip), clip.health


def _ending(id: str, health: Health | None, kind: str = "", message: str = "") -> Ending:
    if health is None:
        return Ending(id=id, health={}, kind=kind, message=message)
    return Ending(id=id, health=asdict(health), damaged=not health.is_good, kind=kind, message=message)


def describe_failure(error: Exception) -> tuple[str, str]:
    """A stable code and one line for why a video failed."""
    if isinstance(error, VideoError):
        return error.kind, str(error).removeprefix(f"{error.path}: ")
    if isinstance(error, OSError):
        return "cannot_open", error.strerror or str(error)
    return "unexpected", f"{type(error).__name__}: {error}"


def _nothing(prepared: Prepared) -> Prepared:
    """The same, with no frames: closes a video whose reading broke off."""
    motion = None if prepared.motion is None else prepared.motion[:0]
    return Prepared(pixels=prepared.pixels[:0], times_s=prepared.times_s[:0], motion=motion)
