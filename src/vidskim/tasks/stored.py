"""One stored video: found by id or path, and grounded on the vectors that are there."""

from pathlib import Path

from torch import Tensor

from vidskim.errors import StoreError
from vidskim.store.reader import Reader
from vidskim.store.records import StoredVideo, Vectors, stored_path
from vidskim.tasks.ground import WINDOW_S, Grounding, ground


def ground_stored(
    store: Reader,
    video: str | Path,
    query: Tensor | Vectors,
    *,
    window_s: float | None = WINDOW_S,
    window_frames: int | None = None,
    factor: float = 1.0,
    faithful: bool = False,
) -> Grounding:
    """Where in one stored video a query is: `ground` on its curve.

    Args:
        store: that holds the video.
        video: id or path.
        query: float [d], unit length.
        window_s: as the rest, see `ground`.

    Raises:
        StoreError: the video is not in the store, or the query does not fit.
        SettingsError: a setting is out of range.
    """
    found = find_stored(store, video).id
    curve = store.scores([found], query).get(found)
    if curve is None:
        raise StoreError(f"{video} was removed from {store.uri} just now")
    return ground(
        curve.scores,
        curve.start_s,
        window_s=window_s,
        window_frames=window_frames,
        factor=factor,
        faithful=faithful,
    )


def find_stored(store: Reader, video: str | Path) -> StoredVideo:
    """A stored video by its id or its path.

    Raises:
        StoreError: there is none.
    """
    path = stored_path(video)
    for stored in store.videos(folder=path):
        if stored.path == path:
            return stored
    try:
        return store.video(str(video))
    except StoreError:
        raise StoreError(
            f"{store.uri} holds no video with the path or id {str(video)!r}; `vidskim store list` shows both"
        ) from None
