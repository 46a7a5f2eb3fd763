"""LSMDC: clips of films, one sentence each."""

from pathlib import Path

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.files import find_file, read_text

FILES = {
    "train": "LSMDC16_annos_training.csv",
    "val": "LSMDC16_annos_val.csv",
    "test": "LSMDC16_challenge_1000_publictect.csv",  # spelt so
}
SPLITS = tuple(FILES)
COLUMNS = 6  # clip, start and end aligned, start and end extracted, sentence


def read_lsmdc(folder: Path, split: str) -> CaptionedVideos:
    """As `read_dataset`: tab-separated rows without a header.

    Source: CLIP4Clip reads these files so.
    """
    path = find_file(folder, FILES[split])
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != COLUMNS:
            raise SettingsError(
                f"{path}, line {number}: expected {COLUMNS} columns between tabs, received {len(cells)}"
            )
        rows.append((cells[0].strip(), cells[-1]))
    return CaptionedVideos.of(rows, origin=_film)


def _film(clip: str) -> str:
    """Of a clip such as "1001_Flight_00.00.10.500-00.00.14.250"."""
    return clip.rpartition("_")[0] or clip
