"""Another extractor for a store: emptied, and every video it held encoded again, also if that is interrupted."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidskim.errors import FingerprintError, StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.store.dataset import Store
from vidskim.store.disk import Location, writing
from vidskim.store.identity import is_gone

WAITING = "waiting.json"  # in the store's folder, while videos it held wait to be encoded again


@dataclass(frozen=True)
class Renewal:
    """What a store held when it was emptied.

    Args:
        waiting: paths of the videos that still exist and are to be encoded again.
        lost: paths of those that are gone; nothing of them is left in the store.
        resumed: whether the store was emptied by an earlier run, which was interrupted.
    """

    waiting: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    resumed: bool = False


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
        on_renewal: called before it is.

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
    held = [video.path for video in Store.open(uri).videos()]
    every = dict.fromkeys([*held, *(earlier.waiting + earlier.lost if earlier else ())])
    gone = {path for path in every if is_gone(path)}
    renewal = Renewal(tuple(path for path in every if path not in gone), tuple(sorted(gone)))
    on_renewal(renewal)
    with writing(_file(uri)) as file:
        file.write(json.dumps({"waiting": renewal.waiting, "lost": renewal.lost}).encode())
    store = Store.create(uri, fingerprint=fingerprint, dimensions=dimensions, origin=origin, overwrite=True)
    return store, renewal


def find_renewal(uri: str | Path) -> Renewal | None:
    """The renewal that was begun and not finished, or None.

    Raises:
        StoreError: it cannot be read.
    """
    file = _file(uri)
    try:
        record = json.loads(file.read_bytes())
        return Renewal(tuple(record["waiting"]), tuple(record["lost"]), resumed=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{file} should name videos that wait to be encoded again, and cannot be read: {error}; "
            "delete it, and index those videos by name"
        ) from error


def add_waiting(videos: Iterable[Path], renewal: Renewal) -> list[Path]:
    """The videos asked for and those that wait, each once."""
    named = {os.path.abspath(video): video for video in videos}
    return [*named.values(), *(Path(path) for path in renewal.waiting if path not in named)]


def finish_renewal(uri: str | Path) -> None:
    """Every video has been settled: encoded, or reported as failed."""
    _file(uri).unlink(missing_ok=True)


def _file(uri: str | Path) -> Path:
    location = Location.of(uri)
    return (location.folder or location.cache) / WAITING
