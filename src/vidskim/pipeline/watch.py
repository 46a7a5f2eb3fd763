"""A folder and a store kept alike: new and changed videos are indexed, moved ones found, removed ones forgotten.

The folder is looked at again and again, which works on every file system. A file that still changes waits; a file that
is gone is forgotten only after it has been gone for a while; and nothing is forgotten while the folder itself is
missing, empty or on another device than at first, as when a disk is not mounted.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.pipeline.flow import Encoder
from vidskim.pipeline.index import IndexReport, index
from vidskim.pipeline.progress import Progress
from vidskim.pipeline.segments import Segmenter
from vidskim.pipeline.sources import videos_in
from vidskim.store.dataset import Store
from vidskim.store.identity import is_gone
from vidskim.video.clip import Clip
from vidskim.video.read import iter_video

Stamp = tuple[int, int]  # bytes, modification time in ns


@dataclass(frozen=True)
class Look:
    """What one look at the folder led to.

    Args:
        report: of the indexing; None if there was nothing to index.
        removed: paths that were forgotten.
        waiting: files that still change, or are gone for too short a time.
        is_away: the folder is missing, empty or on another device: nothing was done.
    """

    report: IndexReport | None = None
    removed: tuple[str, ...] = ()
    waiting: int = 0
    is_away: bool = False

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was done."""
        return self.report is None and not self.removed


@dataclass
class Watch:
    """One folder, one store, one encoder.

    Args:
        folder: with all below.
        store: of the same extractor as `encoder`.
        encoder: what makes the vectors.
        segmenter: what makes those of segments, for a store that keeps them.
        fps: frames per second to sample, None for every frame.
        settle_s: seconds a file must be unchanged, or gone, before it counts.
        clock: seconds, rising.
        read: yields bounded clips of a file.

    Raises:
        SettingsError: the folder does not exist.
    """

    folder: Path
    store: Store
    encoder: Encoder
    segmenter: Segmenter | None = None
    fps: float | None = 3.0
    settle_s: float = 2.0
    clock: Callable[[], float] = time.monotonic
    read: Callable[..., Iterator[Clip]] = iter_video
    _seen: dict[Path, tuple[Stamp, float]] = field(default_factory=dict, init=False)
    _settled: dict[Path, Stamp] = field(default_factory=dict, init=False)
    _gone: dict[str, float] = field(default_factory=dict, init=False)
    _device: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.folder = Path(os.path.abspath(self.folder))
        if not self.folder.is_dir():
            raise SettingsError(f"no such folder: {self.folder}")
        if self.settle_s < 0:
            raise SettingsError(f"settle_s must be 0 or more seconds, received {self.settle_s}")
        self._device = self.folder.stat().st_dev

    def look(self, *, on_progress: Callable[[Progress], None] = lambda progress: None) -> Look:
        """Look once, and do what there is to do. A file that failed is tried again when it changes.

        Raises:
            FingerprintError: the store holds vectors of another extractor.
            StoreError: the store cannot be read or written.
        """
        found = self._stamps()
        if found is None:
            return Look(is_away=True)
        ready, waiting = self._ready(found)
        report = None
        if ready:
            report = index(
                ready,
                self.store,
                self.encoder,
                segmenter=self.segmenter,
                fps=self.fps,
                root=self.folder,
                read=self.read,
                on_progress=on_progress,
            )
            self._settled |= {path: found[path] for path in ready}
        removed, pending = self._forget()
        return Look(report, removed, waiting + pending)

    def _stamps(self) -> dict[Path, Stamp] | None:
        """Every video there is; None if the folder is away."""
        stamps = {}
        try:
            if self.folder.stat().st_dev != self._device:
                return None
            for path in videos_in(self.folder):
                try:
                    state = path.stat()
                except OSError:  # removed meanwhile
                    continue
                stamps[path] = state.st_size, state.st_mtime_ns
            is_empty = not any(self.folder.iterdir())
        except OSError:
            return None
        return None if is_empty and self.store.videos(folder=self.folder) else stamps

    def _ready(self, found: dict[Path, Stamp]) -> tuple[list[Path], int]:
        """Files to index, and how many still change."""
        now, ready, waiting = self.clock(), [], 0
        seen: dict[Path, tuple[Stamp, float]] = {}
        for path, stamp in found.items():
            before = self._seen.get(path)
            seen[path] = before if before is not None and before[0] == stamp else (stamp, now)
            if self._settled.get(path) == stamp:
                continue
            if now - seen[path][1] >= self.settle_s:
                ready.append(path)
            else:
                waiting += 1
        self._seen = seen
        self._settled = {path: stamp for path, stamp in self._settled.items() if path in found}
        return ready, waiting

    def _forget(self) -> tuple[tuple[str, ...], int]:
        """Remove from the store what has been gone for long enough; how many wait for that."""
        now = self.clock()
        gone = [video for video in self.store.videos(folder=self.folder) if is_gone(video.path)]
        self._gone = {video.path: self._gone.get(video.path, now) for video in gone}
        over = [video for video in gone if now - self._gone[video.path] >= self.settle_s]
        if over:
            self.store.remove([video.id for video in over])
        return tuple(video.path for video in over), len(gone) - len(over)
