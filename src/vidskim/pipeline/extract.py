"""Many video files to feature files: resumable, one bad file never stops the rest, batches fill across videos."""

import errno
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from vidskim.errors import SettingsError, VidskimError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features
from vidskim.pipeline.files import all_output_paths, locked
from vidskim.pipeline.ledger import ExtractReport, Ledger, Progress
from vidskim.pipeline.reader import Ending, Item, Reader
from vidskim.pipeline.resume import Agenda, Run, make_agenda, remove_partial_files
from vidskim.pipeline.sources import Source, name_sources, shared_root
from vidskim.pipeline.stream import Block, Prepared
from vidskim.video.clip import Clip
from vidskim.video.read import iter_video

CLIP_BYTES = 256 * 2**20  # of frames at a time: ten in 4K
_FOLDER_IS_UNUSABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Encoder(Protocol):
    """What extraction needs of a VideoEncoder."""

    @property
    def fingerprint(self) -> Fingerprint: ...
    @property
    def reading(self) -> dict[str, Any]: ...
    @property
    def dtype(self) -> Any: ...
    def prepare(self, clip: Clip) -> Prepared: ...
    def encode_stream(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features]]: ...


def extract(
    videos: Sequence[Path],
    out: Path,
    encoder: Encoder,
    *,
    fps: float | None = 3.0,
    format: str = "safetensors",
    overwrite: bool = False,
    root: Path | None = None,
    read: Callable[..., Iterator[Clip]] = iter_video,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ExtractReport:
    """Encode videos and write one feature file for each below `out`.

    Beside them: manifest.jsonl, one line for each finished video, and failures.jsonl, one for each failed one.
    Run again after a kill, it does what is missing. Metadata of a file: source_id, source (path as given), name,
    fingerprint, sampling, run (digest of both), version, dtype, health (decoder counts), macs.

    Args:
        videos: files; those that fail are counted and left out.
        out: folder, made if missing.
        fps: frames per second to sample, None for every frame.
        format: "safetensors" or "npy"; see `files`.
        overwrite: do everything again, also what another extractor left.
        root: output names are relative to it; default the deepest folder that holds all videos.
        read: yields bounded clips of a file; called with `fps`, `max_bytes` and the encoder's `reading`.

    Raises:
        FingerprintError: `out` holds features of another extractor or sampling; nothing was changed.
        SettingsError: a setting is out of range.
        VidskimError: another process writes to the output folder, or it cannot be read or written to (disk full);
            what was finished stays.
    """
    sources, run = _check(videos, encoder, fps=fps, root=root)
    if not out.is_dir():  # what can be refused in a new folder is refused before it is made
        make_agenda(sources, out=out, run=run, format=format, overwrite=overwrite)
    ledger = Ledger(out, run=run, format=format, listed=len(sources), on_progress=on_progress)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            agenda = make_agenda(sources, out=out, run=run, format=format, overwrite=overwrite)
            remove_partial_files(sources, out=out, format=format)
            for source in agenda.todo:  # from here on, an output of a source that is there is right
                if source.path.exists():  # a disk that is not mounted costs no features
                    for path in all_output_paths(out, source.name):
                        path.unlink(missing_ok=True)
            ledger.open(sources, agenda)
            reading = partial(read, fps=fps, max_bytes=CLIP_BYTES, **encoder.reading)
            with Reader(agenda.todo, read=reading, encoder=encoder, times=ledger.times) as reader:
                _Flow(encoder, ledger).run(iter(reader))
            return ledger.close()
    except OSError as error:
        where, why = error.filename or out, error.strerror or error
        raise VidskimError(
            f"cannot write {where}: {why}; finished videos are kept: make room and run the same command again"
        ) from error


def plan(
    videos: Sequence[Path],
    out: Path,
    encoder: Encoder,
    *,
    fps: float | None = 3.0,
    format: str = "safetensors",
    overwrite: bool = False,
    root: Path | None = None,
) -> Agenda:
    """What `extract` with the same arguments would do; nothing is written."""
    sources, run = _check(videos, encoder, fps=fps, root=root)
    return make_agenda(sources, out=out, run=run, format=format, overwrite=overwrite)


def _check(
    videos: Sequence[Path], encoder: Encoder, *, fps: float | None, root: Path | None
) -> tuple[list[Source], Run]:
    if fps is not None and not 0 < fps <= 1000:
        raise SettingsError(
            f"fps must be above 0 and at most 1000 (None, or 0 on the command line, is every frame), received {fps}"
        )
    sources = name_sources(videos, root=root or shared_root(videos))
    dtype = str(encoder.dtype).removeprefix("torch.")
    return sources, Run(encoder.fingerprint, {"fps": None if fps is None else float(fps), "dtype": dtype})


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
    """Blocks of many videos into one encoder, features out of it to the ledger."""

    def __init__(self, encoder: Encoder, ledger: Ledger) -> None:
        self._encoder, self._ledger = encoder, ledger
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
                self._ledger.times.add("encode", time.perf_counter() - start - self._outside_s)
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
            self._ledger.fail(item.source, item.ending.kind, item.ending.message)
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
            self._ledger.finish(pending.source, pending.parts, pending.ending)
        except OSError as error:
            if error.errno in _FOLDER_IS_UNUSABLE:
                raise
            self._ledger.fail(pending.source, "cannot_write", str(error))

    def _fail_pending(self, message: str) -> None:
        for name, pending in list(self._pending.items()):
            del self._pending[name]
            self._failed.add(name)
            self._ledger.fail(pending.source, "encode", message)
