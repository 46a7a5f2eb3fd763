"""ActivityNet Captions as paragraphs: all sentences of a video are one text."""

import logging
from pathlib import Path

from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.files import field, find_file, read_json

# captions, and the ids that are used where the list is there
FILES = {"train": ("train.json", "train_ids.json"), "val": ("val_1.json", "val_ids.json")}
SPLITS = tuple(FILES)
_log = logging.getLogger("vidskim")


def read_activitynet(folder: Path, split: str) -> CaptionedVideos:
    """As `read_dataset`; retrieval is reported on "val" (val_1). Ids lose their "v_", which video files may lack too.

    Listed ids without captions are left out with a warning.

    Source: CLIP4Clip reads these files so.
    """
    captions, listed = FILES[split]
    path = find_file(folder, captions)
    records = read_json(path, dict)
    has_list = any((folder / name).is_file() for name in (listed, f"{listed}.gz"))
    ids = read_json(find_file(folder, listed), list) if has_list else list(records)
    names = list(map(str, ids))
    if absent := [name for name in names if name not in records]:
        _log.warning("%s: no captions of %d listed videos, such as %s", path, len(absent), absent[0])
    rows = [
        (name.removeprefix("v_"), str(sentence))
        for name in names
        if name in records
        for sentence in field(records[name], "sentences", path)
    ]
    return CaptionedVideos.of(rows).joined()
