"""One video looked into: where a sentence is, the curve behind that, and what the whole shows."""

import time
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query

from vidskim.serve.caps import QUERY_CHARS
from vidskim.serve.refusal import RefusedError, responses
from vidskim.serve.routes.search import wanted_vector
from vidskim.serve.schemas import (
    ClassifyAnswer,
    ClassifyRequest,
    GroundAnswer,
    GroundRequest,
    Label,
    MomentView,
    SignalAnswer,
    SignalRequest,
)
from vidskim.serve.services import Parts, Services
from vidskim.store.records import Vectors
from vidskim.tasks.ground import Grounding

router = APIRouter(tags=["videos"])
Sentence = Annotated[str, Query(min_length=1, max_length=QUERY_CHARS)]
FrameOf = Annotated[str, Query(min_length=1, max_length=64, description="Id of the video of the frame.")]
FrameTime = Annotated[float, Query(ge=-1e6, le=1e6, allow_inf_nan=False, description="Seconds.")]
WindowQuery = Annotated[
    float, Query(ge=0, le=3600, allow_inf_nan=False, description="Moving average in seconds; 0 for none.")
]


@router.post("/v1/ground", responses=responses(404, 409, 503))
async def ground(asked: GroundRequest, parts: Parts) -> GroundAnswer:
    """The moments of one video that fit a sentence: where its curve is above its mean."""
    begun = time.perf_counter()
    await anyio.to_thread.run_sync(parts.engine.catalog.find, asked.video_id)
    vector = await parts.texts.ask(asked.query)
    found = await _ground(parts, asked.video_id, vector, window=asked.window, factor=asked.factor)
    return GroundAnswer(
        video_id=asked.video_id, moments=_moments(found), threshold=found.threshold, took_ms=_since(begun)
    )


@router.get("/v1/videos/{video_id}/signal", responses=responses(404, 409, 503))
async def signal(
    video_id: str,
    parts: Parts,
    query: Sentence | None = None,
    like_video: FrameOf | None = None,
    like_time: FrameTime = 0.0,
    window: WindowQuery = 5.0,
) -> SignalAnswer:
    """How well each frame of a video fits a sentence, or a frame of a stored video; the moments cut from that."""
    begun = time.perf_counter()
    if (query is None) == (like_video is None):
        raise RefusedError("invalid_request", "give one of query and like_video")
    await anyio.to_thread.run_sync(parts.engine.catalog.find, video_id)
    if like_video is not None:
        vector = await parts.on_model(parts.engine.frame_vector, like_video, like_time)
    else:
        vector = await parts.texts.ask(query or "")
    found = await _ground(parts, video_id, vector, window=window, factor=1.0)
    return _curve(video_id, found, begun)


@router.post("/v1/videos/{video_id}/signal", responses=responses(404, 409, 503))
async def signal_of(video_id: str, asked: SignalRequest, parts: Parts) -> SignalAnswer:
    """As GET, for all that can be searched with: a sentence, a picture, or a frame of a stored video."""
    begun = time.perf_counter()
    await anyio.to_thread.run_sync(parts.engine.catalog.find, video_id)
    vector = await wanted_vector(asked, parts)
    found = await _ground(parts, video_id, vector, window=asked.window, factor=1.0)
    return _curve(video_id, found, begun)


@router.post("/v1/classify", responses=responses(404, 409, 410))
async def classify(asked: ClassifyRequest, parts: Parts) -> ClassifyAnswer:
    """What a video shows, by the classifier that the server was started with."""
    begun, engine = time.perf_counter(), parts.engine
    path = await anyio.to_thread.run_sync(engine.file, asked.video_id)
    classifier = await parts.on_model(engine.classifier)
    views = classifier.find_views(asked.views)
    clip, rows = await parts.on_decoder(
        parts.decoders.views,
        str(path),
        views,
        length=classifier.frames,
        short_side=classifier.preparation.reading_side,
    )
    shown = await parts.on_model(classifier.name_best, classifier.prepare(clip, rows, views), asked.top)
    return ClassifyAnswer(
        video_id=asked.video_id,
        labels=[Label(label=label, score=score) for label, score in shown],
        views=shown.views,
        model=shown.fingerprint.model,
        took_ms=_since(begun),
    )


async def _ground(
    parts: Services, video_id: str, vector: Vectors, *, window: float, factor: float
) -> Grounding:
    def work() -> Grounding:
        return parts.engine.ground(video_id, vector, window_s=window or None, factor=factor)

    return await anyio.to_thread.run_sync(work)


def _curve(video_id: str, found: Grounding, begun: float) -> SignalAnswer:
    return SignalAnswer(
        video_id=video_id,
        moments=_moments(found),
        threshold=found.threshold,
        took_ms=_since(begun),
        times=found.times_s.tolist(),
        scores=found.signal.tolist(),
        smoothed=found.smoothed.tolist(),
    )


def _moments(found: Grounding) -> list[MomentView]:
    return [MomentView(start=each.start_s, end=each.end_s, score=each.score) for each in found.moments]


def _since(begun: float) -> float:
    return round(1000 * (time.perf_counter() - begun), 3)
