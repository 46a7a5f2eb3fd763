"""Many videos through one encoder: read in a thread, batches filled across videos, each one settled on its own."""

import errno
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features
from vidskim.pipeline.reader import Ending, Item, Reader
from vidskim.pipeline.sources import Source
from vidskim.pipeline.stages import StageTimes
from vidskim.pipeline.stream import Block, Prepared
from vidskim.video.clip import Clip

CLIP_BYTES = 256 * 2**20  # of frames at a time: ten in 4K
_UNUSABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Encoder(Protocol):
    """What extraction and indexing need of a VideoEncoder."""

    @property
    def fingerprint(self) -> Fingerprint: ...
    @property
    def reading(self) -> dict[str, Any]: ...
    @property
    def dtype(self) -> Any: ...
    def prepare(self, clip: Clip) -> Prepared: ...
    def encode_stream(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features]]: ...


class Books(Protocol):
    """Where finished and failed videos are written down."""

    @property
    def times(self) -> StageTimes: ...
    def finish(self, source: Source, parts: Sequence[Features], ending: Ending) -> None:
        """One video's features, whole. An OSError fails this video alone, unless nothing can be written any more."""

    def fail(self, source: Source, kind: str, message: str) -> None:
        """Why there are none."""


def check_fps(fps: float | None) -> None:
    """Refuse a rate that no video has.

    Raises:
        SettingsError: it is out of range.
    """
    if fps is not None and not 0 < fps <= 1000:
        raise SettingsError(
            f"fps must be above 0 and at most 1000 (None, or 0 on the command line, is every frame), received {fps}"
        )


def encode_sources(
    sources: Sequence[Source],
    encoder: Encoder,
    books: Books,
    *,
    fps: float | None,
    read: Callable[..., Iterator[Clip]],
) -> None:
    """Encode every source; each ends up in `books` once, finished or failed.

    Args:
        sources: what to read, in order.
        encoder: batches are filled across videos.
        books: told about each video as soon as it is settled.
        fps: frames per second to sample, None for every frame.
        read: yields bounded clips of a file; called with `fps`, `max_bytes` and the encoder's `reading`.
    """
    reading = partial(read, fps=fps, max_bytes=CLIP_BYTES, **encoder.reading)
    with Reader(sources, read=reading, encoder=encoder, times=books.times) as reader:
        _Flow(encoder, books).run(iter(reader))


@dataclass
class _Pending:
    """A video on its way through the encoder."""

    source: Source
    parts: list[Features] = field(default_factory=list)
    frames_fed: int = 0
    frames_back: int = 0
    ending: Ending | None = None


class _EncodeError(Exception):
    """The encoder broke; its cause says why."""


class _Flow:
    """Blocks of many videos into one encoder, features out of it to the books."""

    def __init__(self, encoder: Encoder, books: Books) -> None:
        self._encoder, self._books = encoder, books
        self._pending: dict[Hashable, _Pending] = {}
        self._failed: set[Hashable] = set()
        self._outside_s = 0.0
        self._fatal: BaseException | None = None

    def run(self, items: Iterator[Item]) -> None:
        """Until every video is done or failed."""
        while True:
            stream = self._encoder.encode_stream(self._blocks(items))
            try:
                for video, features in self._timed(stream):
                    self._receive(video, features)
                break
            except _EncodeError as error:
                if not self._pending:
                    raise (error.__cause__ or error) from None
                cause = error.__cause__
                self._fail_pending(f"{type(cause).__name__}: {cause}")
        self._fail_pending("the encoder returned fewer frames than it was given")

    def _timed(self, stream: Iterator[tuple[Hashable, Features]]) -> Iterator[tuple[Hashable, Features]]:
        """The stream; time inside it counts as encoding, except for what `_blocks` spends on waiting."""
        while True:
            self._outside_s, start = 0.0, time.perf_counter()
            try:
                result = next(stream, None)
            except Exception as error:
                if error is self._fatal or isinstance(error, SettingsError):  # no video is to blame
                    raise
                raise _EncodeError from error
            finally:
                self._books.times.add("encode", time.perf_counter() - start - self._outside_s)
            if result is None:
                return
            yield result

    def _blocks(self, items: Iterator[Item]) -> Iterator[Block]:
        while True:
            start = time.perf_counter()
            try:
                item = next(items, None)
                block = None if item is None else self._admit(item)
            except BaseException as error:
                self._fatal = error
                raise
            self._outside_s += time.perf_counter() - start
            if item is None:
                return
            if block is not None:
                yield block

    def _admit(self, item: Item) -> Block | None:
        """Note a block down; None if its video has failed in the encoder already."""
        name = item.source.name
        if name in self._failed:
            return None
        if item.ending is not None and item.ending.kind:
            self._pending.pop(name, None)
            self._books.fail(item.source, item.ending.kind, item.ending.message)
            return item.block
        pending = self._pending.setdefault(name, _Pending(item.source))
        pending.ending = item.ending
        pending.frames_fed += 0 if item.block is None else len(item.block.prepared.times_s)
        return item.block

    def _receive(self, video: Hashable, features: Features) -> None:
        pending = self._pending.get(video)
        if pending is None:  # its reading broke off: what was encoded is dropped
            return
        pending.parts.append(features)
        pending.frames_back += len(features.times_s)
        if pending.ending is None or pending.frames_back < pending.frames_fed:
            return
        del self._pending[video]
        try:
            self._books.finish(pending.source, pending.parts, pending.ending)
        except OSError as error:
            if error.errno in _UNUSABLE:
                raise
            self._books.fail(pending.source, "cannot_write", str(error))

    def _fail_pending(self, message: str) -> None:
        for name, pending in list(self._pending.items()):
            del self._pending[name]
            self._failed.add(name)
            self._books.fail(pending.source, "encode", message)
