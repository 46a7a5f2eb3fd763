"""The best frames of a search as small pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vidskim.disk import writing
from vidskim.errors import VideoError
from vidskim.tasks.search import Found
from vidskim.video.read import read_video

SIDE = 320  # pixels of the longer side
_TOGETHER = 16  # frames read at once from one video


@dataclass(frozen=True)
class Thumbnail:
    """One written picture, or why there is none.

    Args:
        path: of the JPEG, or None.
        problem: why not; empty if it was written.
    """

    path: Path | None
    problem: str = ""


def write_thumbnails(found: Sequence[Found], folder: Path) -> list[Thumbnail]:
    """Write the best frame of each result as a JPEG.

    Args:
        found: results; their videos are read where they lie.
        folder: made if missing; files of the same name, "01-dog-12.3s.jpg", are replaced.

    Returns:
        One for each result, in order; a video that cannot be read says so and stops nothing.
    """
    thumbnails: dict[int, Thumbnail] = {}
    by_path: dict[str, list[int]] = {}
    for number, each in enumerate(found):
        by_path.setdefault(each.path, []).append(number)
    for path, all_numbers in by_path.items():
        for start in range(0, len(all_numbers), _TOGETHER):
            numbers = sorted(all_numbers[start : start + _TOGETHER], key=lambda number: found[number].best_s)
            try:
                clip = read_video(path, times_s=[found[number].best_s for number in numbers])
            except VideoError as error:
                thumbnails |= dict.fromkeys(numbers, Thumbnail(None, str(error)))
                continue
            for number, frame in zip(numbers, clip.frames, strict=True):
                file = folder / _file_name(number, found[number])
                picture = Image.fromarray(frame)
                picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
                with writing(file) as stream:
                    picture.save(stream, format="JPEG", quality=85)
                thumbnails[number] = Thumbnail(file)
    return [thumbnails[number] for number in range(len(found))]


def _file_name(number: int, found: Found) -> str:
    """ "01-dog-12.3s.jpg": rank, video, time."""
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in Path(found.name).stem)
    return f"{number + 1:02d}-{stem[:80]}-{found.best_s:.1f}s.jpg"
