"""What `vidskim index` is told of vectors of segments and whole videos: by which model, adapter and plan."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.cli.model_options import ModelChoice
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.segments import Segmenter

METHOD = "tempme"
Retrieval = Annotated[
    str | None,
    typer.Option(
        help="Also make a vector of each segment and of each whole video, by TempMe with this model: demo, a Hub id, a "
        "folder or a checkpoint file. A store that has such vectors goes on with its own model."
    ),
]
AdapterFile = Annotated[
    Path | None,
    typer.Option(
        help="Adapter of --retrieval. Default: the one in the model's folder, if the plan has its joins."
    ),
]
PlanText = Annotated[
    str | None,
    typer.Option(
        help="How --retrieval joins frames: b32-12f, b16-12f, b32-64f, b16-64f, or JSON such as "
        '\'{"frames": 8, "joins": {"2": 2, "3": 4}, "r": 4, "across": 0.3, "within": 0.1}\'; without the last three '
        "nothing is merged. Default: the adapter's, or the published one."
    ),
]
SegmentSeconds = Annotated[
    float | None, typer.Option("--segment-s", help="Seconds of a segment, for --retrieval. Default 10.")
]


@dataclass(frozen=True)
class RetrievalChoice:
    """A retrieval model as asked for, and how long its segments are; None is as usual."""

    model: ModelChoice
    segment_s: float | None

    def load(self, encoder: "VideoEncoder") -> "Segmenter":
        """What makes the vectors, of the frames that an encoder is given.

        Raises:
            SettingsError: the model wants other frames, or a setting is out of range.
        """
        from vidskim.pipeline.segments import SEGMENT_S, Segmenter

        model = self.model.load_retrieval()
        length_s = SEGMENT_S if self.segment_s is None else self.segment_s
        return Segmenter(
            model, preparation=encoder.preparation, segment_s=length_s, origin=self.model.origin()
        )


def read_retrieval(
    retrieval: str | None,
    *,
    adapter: Path | None,
    plan: str | None,
    segment_s: float | None,
    beside: ModelChoice,
) -> RetrievalChoice | None:
    """The choice, or None if there is none.

    Args:
        retrieval: the model.
        adapter: its adapter.
        plan: its plan, a name or JSON.
        segment_s: seconds of a segment.
        beside: the frame model; device, dtype and scaler are the same.

    Raises:
        SettingsError: details of a model that is not named.
    """
    given = {"--adapter": adapter, "--plan": plan, "--segment-s": segment_s}
    if retrieval is None:
        if names := [name for name, value in given.items() if value is not None]:
            raise SettingsError(
                f"{', '.join(names)} is about the model of --retrieval, which is missing; name one"
            )
        return None
    settings: dict[str, Any] = {}
    if adapter is not None:
        settings["adapter"] = str(adapter)
    if plan is not None:
        settings["plan"] = _plan(plan)
    model = ModelChoice(
        source=retrieval,
        method=METHOD,
        settings=settings,
        config=beside.config if retrieval == beside.source else {},
        scaler=beside.scaler,
        device=beside.device,
        dtype=beside.dtype,
    )
    return RetrievalChoice(model, segment_s)


def _plan(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise SettingsError(f"--plan takes a name or JSON, received {text!r} ({error})") from None
