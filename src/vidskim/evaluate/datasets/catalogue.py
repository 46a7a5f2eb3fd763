"""Data sets of captions by name."""

from collections.abc import Callable
from pathlib import Path

from vidskim.errors import SettingsError, unknown_name
from vidskim.evaluate.datasets import activitynet, didemo, lsmdc, msrvtt, msvd, vatex
from vidskim.evaluate.datasets.captioned import CaptionedVideos

READERS: dict[str, tuple[Callable[[Path, str], CaptionedVideos], tuple[str, ...]]] = {
    "msrvtt": (msrvtt.read_msrvtt, msrvtt.SPLITS),
    "activitynet": (activitynet.read_activitynet, activitynet.SPLITS),
    "didemo": (didemo.read_didemo, didemo.SPLITS),
    "lsmdc": (lsmdc.read_lsmdc, lsmdc.SPLITS),
    "msvd": (msvd.read_msvd, msvd.SPLITS),
    "vatex": (vatex.read_vatex, vatex.SPLITS),
}


def read_dataset(name: str, folder: Path, split: str) -> CaptionedVideos:
    """Videos and sentences of a split.

    Args:
        name: one of `READERS`.
        folder: where the annotation files lie under their official names, which may end in ".gz".
        split: one of the data set's.

    Raises:
        SettingsError: no such data set or split, or its files are missing or of another form.
    """
    reader, splits = _find(name)
    if split not in splits:
        raise unknown_name(f"split of {name},", split, splits)
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder of annotations")
    return reader(folder, split)


def usual_split(name: str) -> str:
    """The split that results are reported on: the last of a data set's.

    Raises:
        SettingsError: no such data set.
    """
    return _find(name)[1][-1]


def _find(name: str) -> tuple[Callable[[Path, str], CaptionedVideos], tuple[str, ...]]:
    if name not in READERS:
        raise unknown_name("data set", name, READERS)
    return READERS[name]
