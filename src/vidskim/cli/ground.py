"""vidskim ground: where in one video is what a sentence says."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, note, run_verb, time_text
from vidskim.cli.model_options import (
    METHOD_HELP,
    Budget,
    Config,
    Device,
    Dtype,
    Interleave,
    Keep,
    ModelChoice,
    Setting,
    Threshold,
    dials_of,
    read_pairs,
)
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from rich.table import Table

    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.store.dataset import Store
    from vidskim.store.records import StoredVideo
    from vidskim.tasks.ground import Grounding

SHOWN = 10
FPS = 3.0
METHOD, SCALER = "reuse", "pillow"

StorePlace = Annotated[
    str | None, typer.Option(help="Read the vectors from this store if the video is in it.")
]
Model = Annotated[
    str | None, typer.Option(help="demo, a Hub id, a folder or a file. Default demo, or the store's.")
]
Window = Annotated[float, typer.Option(min=0, help="Moving average in seconds; 0 for none.")]
MethodOrNone = Annotated[str | None, typer.Option(help=f"{METHOD_HELP} Default {METHOD}.")]
FpsOrNone = Annotated[
    float | None,
    typer.Option(help=f"Frames per second to sample; 0 for every frame. Default {FPS:g}, or the store's."),
]


def ground(
    video: Annotated[str, typer.Argument(help="A file; with --store also an id or path in it.")],
    query: Annotated[str, typer.Argument(help="What is to be seen, in a sentence.")],
    *,
    store: StorePlace = None,
    window: Window = 5.0,
    factor: Annotated[
        float, typer.Option(help="Threshold over the mean similarity; less gives more and longer moments.")
    ] = 1.0,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="As the released evaluation, with its off-by-ones.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the curve: a .png, .svg or .pdf file.")] = None,
    signal: Annotated[bool, typer.Option("--signal", help="The curve in the JSON document.")] = False,
    model: Model = None,
    method: MethodOrNone = None,
    budget: Budget = None,
    interleave: Interleave = None,
    keep: Keep = None,
    threshold: Threshold = None,
    setting: Setting = None,
    config: Config = None,
    fps: FpsOrNone = None,
    scaler: Annotated[str | None, typer.Option(help="pillow (exact) or decoder (faster).")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the moments of one video that fit a sentence.

    The video is encoded, unless it is in the store given. The smoothed similarity is cut where it is above its mean.

    Examples:

      vidskim ground talk.mp4 "a slide with a diagram" --plot curve.png

      vidskim ground clips/dog.mp4 "the dog jumps" --store library --window 2 --factor 1.1

      vidskim ground match.mp4 "a goal" --model ./clip-vit-b32 --method full --json --signal
    """

    def body() -> Outcome:
        choice = ModelChoice(
            source=model or "demo",
            method=method or METHOD,
            settings=dials_of(setting, budget=budget, interleave=interleave, keep=keep, threshold=threshold),
            config=read_pairs("--config", config),
            scaler=scaler or SCALER,
            device=device,
            dtype=dtype,
        )
        source = _Source(video, query, fps=fps, choice=choice, place=model)
        cut = {"window_s": window or None, "factor": factor, "faithful": faithful}
        if store is not None:
            _refuse(choice, {"--method": method, "--scaler": scaler})
        grounding, where = source.from_file(cut) if store is None else source.from_store(store, cut)
        return _outcome(source, where, grounding, with_signal=signal, plot=plot)

    run_verb(body, as_json=as_json)


def _refuse(choice: ModelChoice, given: dict[str, str | None]) -> None:
    """With a store, how to encode is settled.

    Raises:
        SettingsError: something else is asked for.
    """
    asked: dict[str, object] = {**given, "settings of a method": choice.settings, "--config": choice.config}
    names = ", ".join(name for name, value in asked.items() if value)
    if names:
        raise SettingsError(f"with --store the extractor is the store's; leave out {names}")


@dataclass(frozen=True)
class _Source:
    """Where the vectors come from."""

    video: str
    query: str
    fps: float | None
    choice: ModelChoice
    place: str | None

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise SettingsError("the sentence to look for is empty; say what is to be seen")

    def from_file(self, cut: dict[str, Any]) -> "tuple[Grounding, str]":
        """Encoded now."""
        return self._encode(self.choice.load(), cut, fps=FPS if self.fps is None else self.fps or None)

    def from_store(self, uri: str, cut: dict[str, Any]) -> "tuple[Grounding, str]":
        """Read from the store; a video that is not in it is encoded as it would be for it.

        Raises:
            SettingsError: a rate is given, and the video is stored already, at its own.
        """
        from vidskim.pipeline.origin import load_encoder_of, load_text_of, usual_fps
        from vidskim.store.dataset import Store
        from vidskim.tasks.stored import ground_stored

        store, device = Store.open(uri), self.choice.device
        stored = self._stored(store)
        if stored is None:
            note(f"{self.video} is not in {uri} as it is now; it is encoded")
            encoder = load_encoder_of(store, source=self.place, device=device, dtype=self.choice.dtype)
            return self._encode(encoder, cut, fps=usual_fps(store) if self.fps is None else self.fps or None)
        if self.fps is not None:
            rate = "with every frame" if stored.fps is None else f"at {stored.fps:g} frames/s"
            raise SettingsError(f"{self.video} is in {uri} already, {rate}; leave out --fps, or --store")
        vector = load_text_of(store, source=self.place, device=device).encode_text([self.query])[0]
        return ground_stored(store, stored.id, vector, **cut), "store"

    def _stored(self, store: "Store") -> "StoredVideo | None":
        """The video in the store; None if it is not there, or has changed since."""
        from vidskim.store.identity import identify
        from vidskim.tasks.stored import find_stored

        path = Path(self.video)
        if not path.is_file():
            return find_stored(store, self.video)
        state = store.state_of(path, identify(path))
        return state.video if state.kind in ("unchanged", "moved") else None

    def _encode(
        self, encoder: "VideoEncoder", cut: dict[str, Any], *, fps: float | None
    ) -> "tuple[Grounding, str]":
        from vidskim.pipeline.single import encode_file
        from vidskim.tasks.ground import ground, similarity

        vector = encoder.encode_text([self.query])[0]
        features = encode_file(Path(self.video), encoder, fps=fps)
        return ground(similarity(features.vectors, vector), features.times_s, **cut), "file"


def _outcome(
    source: _Source, where: str, grounding: "Grounding", *, with_signal: bool, plot: Path | None
) -> Outcome:
    if plot is not None:
        from vidskim.tasks.plot import plot_grounding

        plot_grounding(grounding, plot, title=f"{Path(source.video).name}: {source.query}")
    document: dict[str, Any] = {
        "video": source.video,
        "query": source.query,
        "vectors_from": where,
        "frames": len(grounding.signal),
        "threshold": grounding.threshold,
        "moments": [vars(moment) for moment in grounding.moments],
        "plot": None if plot is None else str(plot),
    }
    if with_signal:
        curve = {"times_s": grounding.times_s, "similarity": grounding.signal, "smoothed": grounding.smoothed}
        document["signal"] = {name: values.tolist() for name, values in curve.items()}
    hidden = len(grounding.moments) - SHOWN
    lines: list[Any] = (
        [_table(grounding)] if grounding.moments else ["no moment: nothing is above the threshold"]
    )
    if hidden > 0:
        lines.append(f"and {hidden} more with lower scores; --json lists all")
    if plot is not None:
        lines.append(f"the curve is in {plot}")
    return Outcome(document, lines)


def _table(grounding: "Grounding") -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("rank", "score", "start", "end"):
        table.add_column(heading, justify="right")
    for number, moment in enumerate(grounding.moments[:SHOWN]):
        times = time_text(moment.start_s), time_text(moment.end_s)
        table.add_row(str(number + 1), f"{moment.score:.3f}", *times)
    return table
