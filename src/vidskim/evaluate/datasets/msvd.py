"""MSVD: some forty sentences a video, in a pickle of word lists; it is read as data, never run."""

from pathlib import Path
from typing import Any

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
    rows = ((name, _text(words, path)) for name in names for words in sentences[name])
    return CaptionedVideos.of(rows, origin=without_times)


def _text(words: Any, path: Path) -> str:
    """A sentence, which is a list of words in the official file."""
    several = [words] if isinstance(words, str) else words
    if not isinstance(several, list) or not all(isinstance(word, str) for word in several):
        raise SettingsError(f"{path}: expected a sentence or a list of words, received {words!r}")
    return " ".join(several)
