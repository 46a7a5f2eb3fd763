"""Many video files into a store: what is there already is skipped, one bad file never stops the rest."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vidskim.errors import BusyError, SettingsError, StoreError
from vidskim.pipeline.features import Features
from vidskim.pipeline.flow import Encoder, check_fps, encode_sources
from vidskim.pipeline.progress import Progress, Tally
from vidskim.pipeline.reader import Ending, describe_failure
from vidskim.pipeline.segments import Segmenter, SegmentingEncoder
from vidskim.pipeline.sources import Source, name_sources, printable, shared_root
from vidskim.pipeline.stages import StageTimes
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity, identify
from vidskim.store.records import VideoRecord, stored_path
from vidskim.video.clip import Clip
from vidskim.video.read import iter_video

LONE_FRAME_S = 1.0  # how long the only frame of a video stands for it


@dataclass(frozen=True)
class Failure:
    """A video that could not be indexed, and why; `kind` is a stable code."""

    path: str
    kind: str
    message: str


@dataclass(frozen=True)
class IndexReport:
    """The account of a run: done + failed + skipped = listed, always.

    Args:
        store: its folder or URI.
        listed: videos asked for.
        done: encoded and committed in this run.
        failed: those in `failures`.
        skipped: in the store already, with the same content, at the same rate.
        moved: of the skipped, those that were found under a new path.
        frames: encoded in this run.
        segments: of them that got a vector of their own, beside one of each whole video; 0 without `segmenter`.
        macs: multiply-accumulates spent on frames, segments and whole videos.
        damaged: of the done, those with bad packets, corrupt frames or a missing end.
        failures: what failed.
        times: seconds by stage.
    """

    store: str
    listed: int
    done: int
    failed: int
    skipped: int
    moved: int
    frames: int
    segments: int
    macs: int
    damaged: int
    failures: tuple[Failure, ...]
    times: StageTimes

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        record = {name: value for name, value in vars(self).items() if name not in ("times", "failures")}
        failures = [vars(failure) for failure in self.failures]
        return {**record, "failures": failures, "times": self.times.to_json()}


def index(
    videos: Sequence[Path],
    store: Store,
    encoder: Encoder,
    *,
    segmenter: Segmenter | None = None,
    fps: float | None = 3.0,
    reindex: bool = False,
    root: Path | None = None,
    read: Callable[..., Iterator[Clip]] = iter_video,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> IndexReport:
    """Encode videos into a store, and commit each when it is whole; run again after a kill, it does what is missing.

    Args:
        videos: files; those that fail are counted and left out.
        store: of the same extractor as `encoder`.
        encoder: what makes the vectors.
        segmenter: what makes vectors of segments and whole videos, from the same frames; needed for a store that keeps
            some. Videos that have none yet are encoded again.
        fps: frames per second to sample, None for every frame.
        reindex: encode again what is there already.
        root: names in reports are relative to it; default the deepest folder that holds all videos.
        read: yields bounded clips of a file.

    Raises:
        FingerprintError: the store holds vectors of another extractor or retrieval model; nothing was changed.
        SettingsError: fps is out of range, or the store keeps vectors of segments and nothing makes them.
        StoreError: the store cannot be read or written, or another process holds it (BusyError); what was
            committed stays.
    """
    check_fps(fps)
    store.check_fingerprint(encoder.fingerprint)
    gathering = _gathering(store, encoder, segmenter)
    started = time.perf_counter()
    sources = name_sources(videos, root=root or shared_root(videos))
    books = _Books(store, encoder, gathering, fps=fps, tally=Tally(len(sources), on_progress))
    todo = [source for source in sources if books.admit(source, reindex=reindex)]
    encode_sources(todo, gathering or encoder, books, fps=fps, read=read)
    books.times.wall_s = time.perf_counter() - started
    return books.close()


def _gathering(store: Store, encoder: Encoder, segmenter: Segmenter | None) -> SegmentingEncoder | None:
    """The encoder with what gathers segments on the way, for a store that keeps them from now on."""
    if segmenter is None:
        if store.levels is not None:
            raise SettingsError(
                f"{store.uri} keeps vectors of segments and whole videos, and nothing here makes them; pass "
                "index(..., segmenter=load_segmenter_of(store, encoder))"
            )
        return None
    dimensions, origin = segmenter.model.dim, segmenter.origin
    store.keep_levels(fingerprint=segmenter.fingerprint, dimensions=dimensions, origin=origin)
    return SegmentingEncoder(encoder, segmenter)


@dataclass
class _Books:
    """What `encode_sources` reports to, written into the store."""

    store: Store
    encoder: Encoder
    gathering: SegmentingEncoder | None
    fps: float | None
    tally: Tally
    times: StageTimes = field(default_factory=StageTimes)
    identities: dict[str, Identity] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    moved: int = 0
    segments: int = 0
    macs: int = 0
    damaged: int = 0

    def admit(self, source: Source, *, reindex: bool) -> bool:
        """Whether a video has to be encoded; what need not be is settled here."""
        try:
            identity = identify(source.path)
            state = self.store.state_of(source.path, identity)
        except Exception as error:  # a file that cannot even be opened fails by itself
            self.fail(source, *describe_failure(error))
            return False
        self.identities[source.name] = identity
        stored = state.video
        current = stored is not None and stored.fps == self.fps and state.kind in ("unchanged", "moved")
        if self.gathering is not None and stored is not None and stored.segments is None:
            current = False
        if stored is not None and state.kind == "moved":
            self.store.move(stored.id, source.path, identity=identity)
            self.moved += current and not reindex
        if reindex or not current:
            return True
        self.tally.add(source.name, "skipped")
        return False

    def finish(self, source: Source, parts: Sequence[Features], ending: Ending) -> None:
        """Commit one video; a video whose vectors the store refuses has failed.

        Raises:
            BusyError: others would not let it in; that is no fault of the video.
        """
        features = Features.concatenate(parts)
        start_s, end_s = spans(features.times_s)
        levels, macs = None, features.macs
        if self.gathering is not None:
            levels, more = self.gathering.take(source.name, end_s=float(end_s[-1]))
            macs += more
        record = VideoRecord(
            path=stored_path(source.path),
            identity=self.identities[source.name],
            duration_s=float(end_s[-1]),
            fps=self.fps,
            notes={"health": ending.health, "macs": macs, "version": version("vidskim")},
        )
        try:
            with self.times.measure("write"):
                self.store.add(
                    record,
                    vectors=features.vectors,
                    start_s=start_s,
                    end_s=end_s,
                    kinds=features.kinds,
                    fingerprint=self.encoder.fingerprint,
                    levels=levels,
                )
        except BusyError as error:
            raise BusyError(
                f"{error}; {self.tally.progress.done} videos of this run are in the store: the same command goes on "
                "after them"
            ) from error
        except StoreError as error:
            self.store.refresh()  # raises if the store itself is gone
            if error.__cause__ is not None:  # the database's trouble, no fault of the video
                raise
            self.fail(source, "cannot_store", str(error))
            return
        self.macs += macs
        self.segments += 0 if levels is None else len(levels)
        self.damaged += ending.damaged
        self.tally.add(source.name, "done", frames=len(features))

    def fail(self, source: Source, kind: str, message: str) -> None:
        """Note down that a video failed."""
        self.failures.append(Failure(printable(source.path), kind, printable(message)))
        self.tally.add(source.name, "failed", message=message)

    def close(self) -> IndexReport:
        """The account."""
        count = self.tally.progress
        return IndexReport(
            store=self.store.uri,
            listed=count.listed,
            done=count.done,
            failed=count.failed,
            skipped=count.skipped,
            moved=self.moved,
            frames=count.frames,
            segments=self.segments,
            macs=self.macs,
            damaged=self.damaged,
            failures=tuple(self.failures),
            times=self.times,
        )


def spans(times_s: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[Any, Any]:
    """How long each frame stands for its video: until the next one; the last for the usual distance.

    Args:
        times_s: float64 [t], never falling, t of 1 or more.

    Returns:
        start_s and end_s, float64 [t]; no span is empty.
    """
    steps = np.diff(times_s)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else LONE_FRAME_S
    following = np.append(times_s[1:], times_s[-1] + usual)
    return times_s, np.where(following > times_s, following, times_s + usual)
