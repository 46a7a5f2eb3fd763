"""Another extractor for a store: emptied, and every video it held encoded again, also if that is interrupted.

A video that cannot be encoded again, since its file is damaged or not there (a disk that is not mounted), stays on a
list beside the store, and each later run tries again.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vidskim.disk import writing
from vidskim.errors import FingerprintError, StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.identity import is_gone
from vidskim.store.location import Location

WAITING = "waiting.json"  # in the store's folder, while videos it held wait to be encoded again


@dataclass(frozen=True)
class Renewal:
    """Videos that a store held when it was emptied.

    Args:
        waiting: paths of those to be encoded again.
        missing: paths of those that cannot be read now: no such file, or a URI. They stay on the list.
        dropped: of the missing, those whose vectors are deleted by this renewal.
        stage: "new"; "interrupted", begun by an earlier run that did not end; "left", by one that left these over.
    """

    waiting: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    stage: Literal["new", "interrupted", "left"] = "new"

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return self.waiting + self.missing


def open_or_renew(
    uri: str | Path,
    *,
    fingerprint: Fingerprint,
    dimensions: int,
    origin: Mapping[str, Any],
    renew: bool,
    on_renewal: Callable[["Renewal"], None] = lambda renewal: None,
) -> tuple[Store, Renewal | None]:
    """Open a store for an extractor, or make it; with `renew`, empty one that holds another's vectors.

    What it held is noted down first, so that a kill loses no video: until `finish_renewal`, opening it again gives
    the same list.

    Args:
        uri: folder or object-store URI.
        fingerprint: of the extractor.
        dimensions: length of a vector.
        origin: how to get the extractor again; see `store.records.About`.
        renew: whether a store of another extractor may be emptied.
        on_renewal: called before anything is changed; what it raises leaves the store as it is.

    Returns:
        The store, and what is to be encoded again, now or since an interrupted renewal; None if nothing is.

    Raises:
        FingerprintError: it holds vectors of another extractor and `renew` is false; nothing was changed.
        StoreError: it cannot be read or made.
    """
    earlier = find_renewal(uri)
    try:
        store = Store.open_or_create(uri, fingerprint=fingerprint, dimensions=dimensions, origin=origin)
        return store, earlier
    except FingerprintError:
        if not renew:
            raise
    held = {video.path: None for video in Store.open(uri).videos()}
    every = dict.fromkeys([*held, *(earlier.paths if earlier else ())])
    waiting, missing = _sort_out(every)
    dropped = tuple(path for path in missing if path in held)
    renewal = Renewal(waiting, missing, dropped)
    on_renewal(renewal)
    _note_down(uri, every, ended=False)
    store = Store.create(uri, fingerprint=fingerprint, dimensions=dimensions, origin=origin, overwrite=True)
    return store, renewal


def find_renewal(uri: str | Path) -> Renewal | None:
    """The renewal that was begun and of which videos are left, or None.

    Raises:
        StoreError: it cannot be read.
    """
    file = waiting_file(uri)
    try:
        record = json.loads(file.read_bytes())
        waiting, missing = _sort_out(record["waiting"])
        return Renewal(waiting, missing, stage="left" if record["ended"] else "interrupted")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{file} should name videos that wait to be encoded again, and cannot be read: {error}; "
            "delete it, and index those videos by name"
        ) from error


def add_waiting(videos: Iterable[Path], waiting: Iterable[str]) -> list[Path]:
    """The videos asked for and those that wait, each once."""
    named = {os.path.abspath(video): video for video in videos}
    return [*named.values(), *(Path(path) for path in waiting if path not in named)]


def finish_renewal(renewal: Renewal, store: Store) -> tuple[str, ...]:
    """Every video has been tried: those that the store holds are settled, the others stay on the list.

    Returns:
        Paths of those that are left.
    """
    there = {video.path for video in store.videos()}
    left = tuple(path for path in renewal.paths if path not in there)
    if left:
        _note_down(store.uri, left, ended=True)
    else:
        waiting_file(store.uri).unlink(missing_ok=True)
    return left


def waiting_file(uri: str | Path) -> Path:
    """The list of a store's videos that wait to be encoded again; deleting it forgets them."""
    location = Location.of(uri)
    return (location.folder or location.cache) / WAITING


def _note_down(uri: str | Path, paths: Iterable[str], *, ended: bool) -> None:
    with writing(waiting_file(uri)) as file:
        file.write(json.dumps({"waiting": list(paths), "ended": ended}).encode())


def _sort_out(paths: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that can be read now, and those that cannot."""
    every = list(paths)
    missing = {path for path in every if "://" in path or is_gone(path)}
    return tuple(path for path in every if path not in missing), tuple(sorted(missing))
