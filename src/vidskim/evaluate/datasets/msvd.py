"""MSVD: some forty sentences a video, in a pickle of word lists; it is read as data, never run."""

from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos, without_times
from vidskim.evaluate.datasets.files import find_file, read_names
from vidskim.evaluate.datasets.plain_pickle import read_plain_pickle

SPLITS = ("train", "val", "test")
SENTENCES = "raw-captions.pkl"


def read_msvd(folder: Path, split: str) -> CaptionedVideos:
    """As `read_dataset`.

    Source: CLIP4Clip reads these files so.
    """
    names = read_names(find_file(folder, f"{split}_list.txt"))
    path = find_file(folder, SENTENCES)
    sentences = read_plain_pickle(path)
    if not isinstance(sentences, dict):
        raise SettingsError(f"{path}: expected sentences by video, received {type(sentences).__name__}")
    if absent := [name for name in names if name not in sentences]:
        raise SettingsError(f"{path}: no sentences of {len(absent)} videos, such as {absent[0]}")
    rows = ((name, " ".join(words)) for name in names for words in sentences[name])
    return CaptionedVideos.of(rows, origin=without_times)
