"""MSR-VTT, split "1k-A": one sentence a test video; 20 a training video, of which 9,000 or 7,000 are used."""

from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.files import field, find_file, read_json, read_table

TEST = "MSRVTT_JSFUSION_test.csv"
TRAIN = {"train": "MSRVTT_train.9k.csv", "train-7k": "MSRVTT_train.7k.csv"}
SENTENCES = "MSRVTT_data.json"
SPLITS = (*TRAIN, "test")


def read_msrvtt(folder: Path, split: str) -> CaptionedVideos:
    """As `read_dataset`; "train" is 9k. Who selects a model needs videos held out of train: there is no other split.

    Source: CLIP4Clip and TempMe read these files and columns.
    """
    if split == "test":
        rows = read_table(find_file(folder, TEST), "video_id", "sentence")
        return CaptionedVideos.of((row["video_id"], row["sentence"]) for row in rows)
    names = {row["video_id"] for row in read_table(find_file(folder, TRAIN[split]), "video_id")}
    path = find_file(folder, SENTENCES)
    document = read_json(path, dict)
    pairs = [
        (str(field(record, "video_id", path)), str(field(record, "caption", path)))
        for record in field(document, "sentences", path)
    ]
    if absent := sorted(names - {name for name, _ in pairs}):
        raise SettingsError(f"{path}: no sentences of {len(absent)} videos, such as {absent[0]}")
    addresses = {
        str(field(record, "video_id", path)): str(field(record, "url", path))
        for record in document.get("videos", ())
    }
    return CaptionedVideos.of(
        (pair for pair in pairs if pair[0] in names), origin=lambda name: addresses.get(name, name)
    )
