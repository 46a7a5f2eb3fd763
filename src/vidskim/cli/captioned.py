"""Options that name videos with sentences: an official data set, or a table of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.evaluate.datasets.captioned import CaptionedVideos

Dataset = Annotated[
    str | None, typer.Option(help="msrvtt, activitynet, didemo, lsmdc, msvd or vatex; needs --annotations.")
]
Annotations = Annotated[
    Path | None, typer.Option(help="Folder with the data set's files under their official names.")
]
Split = Annotated[
    str | None, typer.Option(help="Of the data set. Default: its test split, of activitynet val.")
]
Pairs = Annotated[
    Path | None,
    typer.Option(
        help="Instead of a data set: a .csv with columns video, caption and, if clips share one, origin; or a .jsonl."
    ),
]
Videos = Annotated[
    Path | None,
    typer.Option(help="Folder of the videos, at any depth. Default with --pairs: the table's own."),
]


@dataclass(frozen=True)
class CaptionSource:
    """Videos with sentences as asked for, each field an option."""

    dataset: str | None = None
    annotations: Path | None = None
    split: str | None = None
    pairs: Path | None = None
    videos: Path | None = None

    def read(self) -> tuple[dict[str, Any], "CaptionedVideos", Path]:
        """As a record, the videos with their sentences, and where the files are.

        Raises:
            SettingsError: options that do not go together, or files of another form.
        """
        from vidskim.evaluate.datasets.catalogue import read_dataset, usual_split
        from vidskim.evaluate.datasets.own import read_own

        if (self.dataset is None) == (self.pairs is None):
            raise SettingsError("give --dataset with --annotations, or --pairs with a table of your own")
        if self.pairs is not None:
            given = {"--annotations": self.annotations, "--split": self.split}
            if told := [name for name, value in given.items() if value is not None]:
                raise SettingsError(
                    f"{' and '.join(told)} is for --dataset, and --pairs is a table by itself"
                )
            folder = self.pairs.parent if self.videos is None else self.videos
            return {"pairs": str(self.pairs), "folder": str(folder)}, read_own(self.pairs), folder
        if self.dataset is None or self.annotations is None or self.videos is None:
            raise SettingsError(
                "--dataset needs --annotations and --videos, the folders of its texts and of its videos"
            )
        split = self.split or usual_split(self.dataset)
        record = {
            "dataset": self.dataset,
            "split": split,
            "annotations": str(self.annotations),
            "folder": str(self.videos),
        }
        return record, read_dataset(self.dataset, self.annotations, split), self.videos
