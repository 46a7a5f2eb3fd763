"""Files that were moved: a store is told where they are now, one by one or by folder, and encodes nothing again."""

import os
from collections.abc import Mapping
from pathlib import Path

from vidskim.errors import StoreError
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity, identify, is_gone
from vidskim.store.location import Location
from vidskim.store.records import StoredVideo, stored_path


def relocate(store: Store, old: str | Path, new: str | Path) -> list[tuple[str, StoredVideo]]:
    """Note that a file, or a folder with all its videos, lies elsewhere now.

    Everything is checked before anything is changed; of a file behind a URI other than file:// nothing can be checked.

    Args:
        store: that holds the videos.
        old: path, file:// or other URI of a video or a folder, as it was.
        new: where it is now; for a video also the folder it is in.

    Returns:
        Path before and video now, in order of path.

    Raises:
        StoreError: there is no such video, a file is not at its new place or is another one, or a video is stored
            under the new path already.
    """
    root, target = (stored_path(Location.of(place).uri) for place in (old, new))
    videos = store.videos(folder=root)
    if not videos:
        raise StoreError(f"{store.uri} holds no video at {root} or below; `vidskim store list` shows paths")
    if [video.path for video in videos] == [root] and Path(target).is_dir():
        target = os.path.join(target, videos[0].name)
    below = (video.path[len(root) :].strip("/") for video in videos)
    places = [f"{target.rstrip('/')}/{rest}" if rest else target for rest in below]
    missing = [path for path in places if is_gone(path)]
    if missing:
        raise StoreError(
            f"{len(missing)} of {len(videos)} videos are not at their new place, such as {missing[0]}; nothing was "
            "changed: move the files first"
        )
    _check_free(store, dict(zip(places, videos, strict=True)))
    steps = [(video, path, _identity_at(path, video)) for video, path in zip(videos, places, strict=True)]
    # into a folder below, the deepest go first, and out of one last: no video then lands on one still to be moved
    steps.sort(key=lambda step: len(step[1]), reverse=len(target) > len(root))
    moved = [(video.path, store.move(video.id, path, identity=now)) for video, path, now in steps]
    return sorted(moved, key=lambda pair: pair[0])


def _check_free(store: Store, places: Mapping[str, StoredVideo]) -> None:
    """Look whether other videos are stored under the new paths.

    Raises:
        StoreError: one is.
    """
    leaving = {video.id for video in places.values()}
    for other in store.videos():
        if other.path in places and other.id not in leaving:
            raise StoreError(
                f"{other.path} is stored already, as video {other.id}; nothing was changed: remove one of the two "
                "first (vidskim store remove)"
            )


def _identity_at(path: str, video: StoredVideo) -> Identity | None:
    """Of the file at the new place; None of a URI.

    Raises:
        StoreError: it is another file.
    """
    if "://" in path:
        return None
    identity = identify(path)
    if not identity.same_content(video.identity):
        raise StoreError(
            f"{path} is not the file that was indexed as {video.path}: size or content differ; nothing was changed. "
            f"Index it: vidskim index {path}"
        )
    return identity
