"""Labels of several video files."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from vidskim.errors import VideoError
from vidskim.pipeline.classification import Classification
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.video.views import Views


def classify_files(
    paths: Iterable[Path], classifier: VideoClassifier, *, top: int = 5, views: str | Views = "one"
) -> Iterator[tuple[Path, Classification | VideoError]]:
    """What each video shows, one after the other; one that cannot be read does not stop the others.

    Args:
        paths: local files.
        classifier: its model and method.
        top: labels of each, 1 or more.
        views: as in `VideoClassifier.classify`.

    Yields:
        A path, and its labels or why there are none.

    Raises:
        SettingsError: an unknown name of views, or the method does not suit the model's clips.
    """
    for path in paths:
        try:
            yield path, classifier.classify_file(path, top=top, views=views)
        except VideoError as error:
            yield path, error
