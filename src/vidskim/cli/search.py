"""vidskim search: a sentence in, moments of many videos out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, note, run_verb, time_text
from vidskim.cli.model_options import Device, StoreOption

if TYPE_CHECKING:
    from rich.table import Table

    from vidskim.tasks.search import SearchResult
    from vidskim.tasks.thumbnails import Thumbnail

Between = Annotated[
    tuple[float, float] | None, typer.Option(help="Only these seconds of each video: START END.")
]
MinScore = Annotated[
    float | None,
    typer.Option(help="Below it nothing matches, -1 to 1. Default: the model's own, if it has one."),
]
ModelPlace = Annotated[
    str | None, typer.Option(help="Where the model is now. Default: where it was when the store was made.")
]


def search(
    text: Annotated[str, typer.Argument(help="What is to be seen, in a sentence.")],
    *,
    store: StoreOption = "vidskim-store",
    limit: Annotated[int, typer.Option(help="Moments at most.")] = 10,
    per_video: Annotated[int | None, typer.Option(help="Moments of one video at most.")] = None,
    folder: Annotated[str | None, typer.Option(help="Only videos in this folder and below.")] = None,
    between: Between = None,
    window: Annotated[float, typer.Option(help="Moving average in seconds; 0 for none.")] = 2.0,
    min_score: MinScore = None,
    thumbnails: Annotated[
        Path | None, typer.Option(help="Write the best frame of each moment into this folder.")
    ] = None,
    model: ModelPlace = None,
    device: Device = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the moments that fit a sentence best, in all videos of a store.

    Make the store with `vidskim index`. Scores are comparable within one query only.

    Examples:

      vidskim search "a dog catches a ball"

      vidskim search "a red car" --store library --limit 5 --per-video 1 --thumbnails found

      vidskim search "a goal" --folder matches/2024 --between 0 600 --min-score 0.25 --json
    """

    def body() -> Outcome:
        from vidskim.pipeline.origin import load_text_of
        from vidskim.store.dataset import Store
        from vidskim.tasks.search import search

        opened = Store.open(store)
        texts = load_text_of(opened, source=model, device=device)
        result = search(
            opened,
            texts.encode_text([text])[0],
            limit=limit,
            per_video=per_video,
            folder=folder,
            between=between,
            window_s=window or None,
            min_score=texts.min_score if min_score is None else min_score,
        )
        pictures = None if thumbnails is None else _write_thumbnails(result, thumbnails)
        return _Answer(text, opened.uri, result, pictures).outcome()

    run_verb(body, as_json=as_json)


def _write_thumbnails(result: "SearchResult", folder: Path) -> "list[Thumbnail]":
    from vidskim.tasks.thumbnails import write_thumbnails

    pictures = write_thumbnails(result.found, folder)
    for picture in pictures:
        if picture.problem:
            note(f"no thumbnail: {picture.problem}")
    return pictures


@dataclass(frozen=True)
class _Answer:
    """What was asked and found."""

    text: str
    store: str
    result: "SearchResult"
    pictures: "list[Thumbnail] | None"

    def outcome(self) -> Outcome:
        """For machines and people."""
        result = self.result
        document = {
            "query": self.text,
            "store": self.store,
            "how": result.how,
            "good": result.is_good,
            "best_score": result.best_score,
            "min_score": result.min_score,
            "found": self._rows(),
        }
        return Outcome(document, [self._table()] if result.found else [self._apology()])

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for number, each in enumerate(self.result.found):
            row: dict[str, Any] = {
                "rank": number + 1,
                "score": each.score,
                "video": each.video,
                "path": each.path,
                "name": each.name,
                "start_s": each.start_s,
                "end_s": each.end_s,
                "best_s": each.best_s,
                "best_score": each.best_score,
            }
            if self.pictures is not None:
                path = self.pictures[number].path
                row["thumbnail"] = None if path is None else str(path)
            rows.append(row)
        return rows

    def _table(self) -> "Table":
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("rank", "score", "start", "end", "video"):
            table.add_column(heading, overflow="fold", justify="left" if heading == "video" else "right")
        if self.pictures is not None:
            table.add_column("thumbnail", overflow="fold")
        for row in self._rows():
            times = time_text(row["start_s"]), time_text(row["end_s"])
            picture = [] if self.pictures is None else [row["thumbnail"] or ""]
            table.add_row(str(row["rank"]), f"{row['score']:.3f}", *times, row["path"], *picture)
        return table

    def _apology(self) -> str:
        result = self.result
        if result.best_score is None:
            return "nothing to search: the store is empty, or no frame passes the filters"
        return (
            f"no good match: the best moment scores {result.best_score:.3f}, below {result.min_score:g}. "
            "Say it in other words, index more videos, or lower --min-score. "
            "The bundled model knows coloured shapes only: for other videos index with --model"
        )
