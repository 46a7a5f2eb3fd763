"""Video in, features out, compute spent where the video changes.

    clip = vidskim.read_video("clip.mp4", fps=3.0)
    model = vidskim.load_model("clip-folder", method="reuse")  # budget=0.45: of the full compute
    features = model.encode(clip)

Importing vidskim is cheap: a name's module (decoder, torch) is imported when the name is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidskim.errors import (
        BusyError,
        CannotOpenError,
        CheckpointError,
        DamagedVideoError,
        FingerprintError,
        NoFramesError,
        NoVideoStreamError,
        SettingsError,
        StoreError,
        TrainingError,
        VideoError,
        VideoTooLargeError,
        VidskimError,
    )
    from vidskim.fingerprint import Fingerprint
    from vidskim.pipeline.classification import Classification
    from vidskim.pipeline.classifier import VideoClassifier
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.features import Features, Trace
    from vidskim.pipeline.live import Stream, StreamState
    from vidskim.pipeline.load import load_model
    from vidskim.pipeline.retrieval import RetrievalEncoder
    from vidskim.tokens.clip_plan import ClipPlan
    from vidskim.video.clip import Clip
    from vidskim.video.guard import Limits
    from vidskim.video.read import iter_video, probe, read_video
    from vidskim.video.views import Views

    __version__: str

__all__ = [
    "BusyError",
    "CannotOpenError",
    "CheckpointError",
    "Classification",
    "Clip",
    "ClipPlan",
    "DamagedVideoError",
    "Features",
    "Fingerprint",
    "FingerprintError",
    "Limits",
    "NoFramesError",
    "NoVideoStreamError",
    "RetrievalEncoder",
    "SettingsError",
    "StoreError",
    "Stream",
    "StreamState",
    "Trace",
    "TrainingError",
    "VideoClassifier",
    "VideoEncoder",
    "VideoError",
    "VideoTooLargeError",
    "VidskimError",
    "Views",
    "__version__",
    "iter_video",
    "load_model",
    "probe",
    "read_video",
]

_ORIGIN = {
    "Classification": "pipeline.classification",
    "Clip": "video.clip",
    "ClipPlan": "tokens.clip_plan",
    "Features": "pipeline.features",
    "Fingerprint": "fingerprint",
    "Limits": "video.guard",
    "RetrievalEncoder": "pipeline.retrieval",
    "Stream": "pipeline.live",
    "StreamState": "pipeline.live",
    "Trace": "pipeline.features",
    "VideoClassifier": "pipeline.classifier",
    "VideoEncoder": "pipeline.encoder",
    "Views": "video.views",
    "iter_video": "video.read",
    "load_model": "pipeline.load",
    "probe": "video.read",
    "read_video": "video.read",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("vidskim")
    elif name in __all__:
        value = getattr(importlib.import_module(f".{_ORIGIN.get(name, 'errors')}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
