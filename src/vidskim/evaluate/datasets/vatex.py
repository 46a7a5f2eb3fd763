"""VATEX: ten English sentences a video of ten seconds; ids end in start and end second, as files are named."""

from pathlib import Path

from vidskim.evaluate.datasets.captioned import CaptionedVideos, without_times
from vidskim.evaluate.datasets.files import field, find_file, read_json

FILES = {
    "train": ("vatex_training_v1.0.json",),
    "val": ("vatex_validation_v1.0.json",),
    "test": ("vatex_public_test_english_v1.1.json", "vatex_test_v1.1.json"),
}
SPLITS = tuple(FILES)


def read_vatex(folder: Path, split: str) -> CaptionedVideos:
    """As `read_dataset`: a list of records with videoID and enCap."""
    path = find_file(folder, *FILES[split])
    rows = [
        (str(field(record, "videoID", path)), str(sentence))
        for record in read_json(path, list)
        for sentence in field(record, "enCap", path)
    ]
    return CaptionedVideos.of(rows, origin=without_times)
