"""Who takes part in an evaluation of retrieval: a model behind methods, the mean of its frames first."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.evaluate.choices import combine
from vidskim.evaluate.vectors import VideoVector
from vidskim.methods.registry import METHODS, setting_fields
from vidskim.methods.tempme import SETTINGS, TempMe
from vidskim.models.vit import unit
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.retrieval import RetrievalEncoder, join_frames

FRAMES = 12  # of a video, where no plan says how many


@dataclass(frozen=True, eq=False)
class Contender:
    """A model behind one method.

    Args:
        name: the method with the settings that tell it from others, such as "tempme merge=False".
        model: of frames, whose vectors are averaged, or of whole videos.
        adapter: what to call the adapter inside its weights; "" for none.
    """

    name: str
    model: VideoEncoder | RetrievalEncoder
    adapter: str = ""

    @property
    def frames(self) -> int | None:
        """Of a video, where the method says how many."""
        return self.model.frames if isinstance(self.model, RetrievalEncoder) else None

    def encode(self, pixels: Tensor) -> VideoVector:
        """One video from its prepared frames [t, 3, y, x]; of frames alone, the normalised mean of unit vectors."""
        start = time.perf_counter()
        if isinstance(self.model, RetrievalEncoder):
            vector, macs = self.model.encode_video(pixels[None])[0], self.model.plan().macs
        else:
            features = self.model.encode_pixels(pixels)
            vector, macs = unit(features.vectors.mean(dim=0)), features.macs
        return VideoVector(vector, macs, time.perf_counter() - start)  # vectors are on the CPU: it has ended


def line_up(
    encoder: VideoEncoder,
    methods: Sequence[str] = (TempMe.name,),
    *,
    settings: Mapping[str, Sequence[object]] | None = None,
    adapter: str = "",
) -> list[Contender]:
    """A model behind several methods, the mean of its frames encoded alone ("full") first, none of them twice.

    Args:
        encoder: of frames, in full.
        methods: "tempme" or methods of frames, of which the mean is taken.
        settings: values that each method which has the setting is tried with, such as {"merge": (True, False)}.
        adapter: what to call the adapter inside its weights.

    Raises:
        SettingsError: an unknown method or setting, a value out of range, or a plan that does not fit the model.
    """
    owned = {TempMe.name: SETTINGS, **{name: tuple(setting_fields(name)) for name in METHODS}}
    found = [Contender("full", encoder, adapter)]
    values = settings or {}
    for name, own in combine(methods, values, owned=owned):
        model = join_frames(encoder, own) if name == TempMe.name else encoder.with_method(name, **own)
        told = " ".join([name, *(f"{key}={value}" for key, value in own.items() if len(values[key]) > 1)])
        if all(model.fingerprint != other.model.fingerprint for other in found):
            found.append(Contender(told, model, adapter))
    return found


def count_frames(contenders: Sequence[Contender], asked: int | None = None) -> int:
    """Frames of a video, the same for all.

    Args:
        contenders: one or more.
        asked: so many; None takes what the plans say, or 12.

    Raises:
        SettingsError: no contenders, or contenders of different frames or preparations.
    """
    if not contenders:
        raise SettingsError("give one contender or more, received none")
    if any(other.model.preparation != contenders[0].model.preparation for other in contenders):
        raise SettingsError(
            "all are compared on the same pixels; evaluate models that prepare frames otherwise apart"
        )
    planned = {contender.frames for contender in contenders if contender.frames is not None}
    if len(planned) > 1:
        raise SettingsError(
            f"all are compared on the same frames, and plans are of {sorted(planned)}; evaluate them apart"
        )
    if asked is not None and planned - {asked}:
        raise SettingsError(
            f"the plan is of {planned.pop()} frames and {asked} are asked for; give a plan of so many, or leave "
            "frames out"
        )
    if asked is not None:
        planned.add(asked)
    return planned.pop() if planned else FRAMES
