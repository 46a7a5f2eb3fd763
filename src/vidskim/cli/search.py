"""vidskim search: a sentence in, moments of many videos out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, note, run_verb, time_text
from vidskim.cli.model_options import Device, StoreOption
from vidskim.errors import SettingsError, unknown_name

if TYPE_CHECKING:
    from rich.table import Table

    from vidskim.store.reader import Reader
    from vidskim.tasks.search import SearchResult
    from vidskim.tasks.thumbnails import Thumbnail

Level = Annotated[
    str | None,
    typer.Option(
        help="video: whole videos by their own vectors. moment: the best segments first, then moments inside them. "
        "Both for a store made with `vidskim index --retrieval`. Default: moments by frames alone."
    ),
]
LEVELS = ("video", "moment")
Between = Annotated[
    tuple[float, float] | None, typer.Option(help="Only these seconds of each video: START END.")
]
MinScore = Annotated[
    float | None,
    typer.Option(
        help="Below it nothing matches, -1 to 1. Default: the model's own, if it has one; none of --level video."
    ),
]
ModelPlace = Annotated[
    str | None, typer.Option(help="Where the model is now. Default: where it was when the store was made.")
]
RetrievalPlace = Annotated[
    str | None,
    typer.Option(help="The same of the model that `vidskim index --retrieval` named, for --level."),
]


def search(
    text: Annotated[str, typer.Argument(help="What is to be seen, in a sentence.")],
    *,
    store: StoreOption = "vidskim-store",
    level: Level = None,
    limit: Annotated[int, typer.Option(help="Results at most.")] = 10,
    per_video: Annotated[int | None, typer.Option(help="Moments of one video at most.")] = None,
    folder: Annotated[str | None, typer.Option(help="Only videos in this folder and below.")] = None,
    between: Between = None,
    window: Annotated[
        float | None, typer.Option(min=0, help="Moving average in seconds; 0 for none. Default 2.")
    ] = None,
    min_score: MinScore = None,
    thumbnails: Annotated[
        Path | None, typer.Option(help="Write the best frame of each moment into this folder.")
    ] = None,
    model: ModelPlace = None,
    retrieval: RetrievalPlace = None,
    device: Device = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the moments that fit a sentence best, in all videos of a store.

    Make the store with `vidskim index`. Scores are comparable within one query only.

    Examples:

      vidskim search "a dog catches a ball"

      vidskim search "a red car" --store library --limit 5 --per-video 1 --thumbnails found

      vidskim search "a circle jumps over a square" --store library --level video

      vidskim search "a goal" --folder matches/2024 --between 0 600 --min-score 0.25 --json
    """

    def body() -> Outcome:
        from vidskim.store.dataset import Store

        if not text.strip():
            raise SettingsError("the sentence to search for is empty; say what is to be seen")
        if retrieval is not None and level is None:
            raise SettingsError(f"--retrieval goes with --level; received --retrieval {retrieval}")
        opened = Store.open(store)
        result = _find(
            opened,
            text,
            level=level,
            places={"source": model, "retrieval": retrieval, "device": device},
            settings={"limit": limit, "folder": folder, "min_score": min_score},
            of_moments={"per_video": per_video, "between": between, "window_s": window},
        )
        pictures = None if thumbnails is None else _write_thumbnails(result, thumbnails)
        return _Answer(text, opened.uri, level or "moment", result, pictures).outcome()

    run_verb(body, as_json=as_json)


def _find(
    store: "Reader",
    text: str,
    *,
    level: str | None,
    places: dict[str, Any],
    settings: dict[str, Any],
    of_moments: dict[str, Any],
) -> "SearchResult":
    """By the level's route; settings of moments that are None are the library's."""
    given = {name: value for name, value in of_moments.items() if value is not None}
    if level == "video":
        if given:
            raise SettingsError(
                "--per-video, --between and --window are about moments: leave them out with --level video"
            )
        return _find_videos(store, text, places=places, settings=settings)
    if level not in (None, "moment"):
        raise unknown_name("level", level, LEVELS)
    if "window_s" in given:
        given["window_s"] = given["window_s"] or None  # 0 is for none
    return _find_moments(
        store, text, segments_first=level is not None, places=places, settings={**settings, **given}
    )


def _find_videos(
    store: "Reader", text: str, *, places: dict[str, Any], settings: dict[str, Any]
) -> "SearchResult":
    from vidskim.pipeline.origin import load_level_texts_of
    from vidskim.tasks.levels import search_videos

    texts = load_level_texts_of(store, **places)
    return search_videos(store, texts.encode_text([text])[0], **settings)


def _find_moments(
    store: "Reader",
    text: str,
    *,
    segments_first: bool,
    places: dict[str, Any],
    settings: dict[str, Any],
) -> "SearchResult":
    from vidskim.pipeline.origin import load_level_texts_of, load_text_of
    from vidskim.tasks.levels import search_segments
    from vidskim.tasks.search import search

    query = None
    if segments_first:
        query = load_level_texts_of(store, **places).encode_text([text])[0]
    texts = load_text_of(store, source=places["source"], device=places["device"])
    if settings["min_score"] is None:
        settings = {**settings, "min_score": texts.min_score}
    frame_query = texts.encode_text([text])[0]
    if query is None:
        return search(store, frame_query, **settings)
    return search_segments(store, query, frame_query, **settings)


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
    level: str
    result: "SearchResult"
    pictures: "list[Thumbnail] | None"

    def outcome(self) -> Outcome:
        """For machines and people."""
        result = self.result
        document = {
            "query": self.text,
            "store": self.store,
            "level": self.level,
            "stages": self._stages(),
            "how": result.how,
            "good": result.is_good,
            "best_score": result.best_score,
            "min_score": result.min_score,
            "found": self._rows(),
        }
        lines: list[Any] = [self._table()] if result.found else [self._apology()]
        if stages := self._stages():
            if stages["without"]:
                note(
                    f"{stages['without']} videos have no vectors of segments: not searched; index them again"
                )
            lines.append(", ".join(f"{name} in {ms:.1f} ms" for name, ms in stages["took_ms"].items()))
        return Outcome(document, lines)

    def _stages(self) -> dict[str, Any] | None:
        """How long each stage took, and how many videos had no part; None of a search by frames alone."""
        from vidskim.tasks.levels import LevelResult

        if not isinstance(self.result, LevelResult):
            return None
        return {"took_ms": self.result.took_ms, "without": self.result.without}

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
        if result.min_score is None:
            return "nothing found: the store changed during the search; ask again"
        return (
            f"no good match: the best {self.level} scores {result.best_score:.3f}, below {result.min_score:g}. "
            "Say it in other words, index more videos, or lower --min-score. "
            "The bundled model knows coloured shapes only: for other videos index with --model"
        )
