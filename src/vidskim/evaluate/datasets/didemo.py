"""DiDeMo as paragraphs: all descriptions of a video are one text, and its first half minute is used."""

import logging
from pathlib import Path

from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.files import field, find_file, read_json, read_names

SPLITS = ("train", "val", "test")
END_S = 31.0
_log = logging.getLogger("vidskim")


def read_didemo(folder: Path, split: str) -> CaptionedVideos:
    """As `read_dataset`; where there is a list of videos it says which ones and in what order.

    Source: CLIP4Clip reads these files so.
    """
    path = find_file(folder, f"{split}_data.json")
    rows = [
        (str(field(record, "video", path)), str(field(record, "description", path)))
        for record in read_json(path, list)
    ]
    every = CaptionedVideos.of(rows, end_s=END_S).joined()
    listed = f"{split}_list.txt"
    if not any((folder / name).is_file() for name in (listed, f"{listed}.gz")):
        return every
    places = {Path(name).stem: place for place, name in enumerate(every.videos)}
    names = [Path(name).stem for name in read_names(find_file(folder, listed))]
    if absent := [name for name in names if name not in places]:
        _log.warning("%s: no descriptions of %d listed videos, such as %s", path, len(absent), absent[0])
    return every.part([places[name] for name in names if name in places])
