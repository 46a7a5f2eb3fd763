"""POST /v1/search: a sentence, a picture or a stored frame to ranked moments."""

import base64
import binascii
import time
from urllib.parse import urlencode

from fastapi import APIRouter

from vidskim.serve.caps import IMAGE_BYTES
from vidskim.serve.catalog import Selection
from vidskim.serve.question import Findings, Question, Terms
from vidskim.serve.refusal import RefusedError, responses
from vidskim.serve.schemas import (
    Filter,
    FoundMoment,
    IndexView,
    SearchAnswer,
    SearchHit,
    SearchRequest,
    Stages,
    Wanted,
    in_utc,
)
from vidskim.serve.services import Parts, Services
from vidskim.store.records import Vectors
from vidskim.tasks.levels import LevelResult
from vidskim.tasks.search import Found, SearchResult

router = APIRouter(tags=["search"])
FAR_S = 1e9  # after the end of every video


@router.post("/v1/search", responses=responses(404, 409, 503))
async def search(asked: SearchRequest, parts: Parts) -> SearchAnswer:
    """Find the moments that fit a sentence, a picture, or a frame of a stored video best; or whole videos."""
    begun = time.perf_counter()
    threshold = asked.threshold
    if threshold is None and asked.level != "video":  # thresholds are known of frames only
        threshold = parts.engine.threshold("picture" if asked.query is None else "text")
    terms = Terms(
        limit=asked.top_k,
        selection=selection_of(asked.filter),
        between=_between(asked.filter),
        level=asked.level,
        grouped=asked.group_by == "video",
        min_score=threshold,
    )
    findings = await parts.searches.ask(await _question(asked, terms, parts))
    result = findings.result
    return SearchAnswer(
        results=[_hit(rank, found, findings) for rank, found in enumerate(result.found, start=1)],
        level=asked.level or "moment",
        stages=_stages(result),
        good=result.is_good,
        best_score=result.best_score,
        threshold=threshold,
        how=result.how,
        took_ms=round(1000 * (time.perf_counter() - begun), 3),
        index=IndexView(**findings.index),
    )


async def _question(asked: SearchRequest, terms: Terms, parts: Services) -> Question:
    if asked.level is None or asked.query is None:
        return Question((await wanted_vector(asked, parts),), terms)
    text = await parts.level_texts.ask(asked.query)
    vectors = [text.vector]
    if asked.level == "moment":
        vectors.append(await parts.texts.ask(asked.query))
    return Question(tuple(vectors), terms, text.digest)


async def wanted_vector(asked: Wanted, parts: Services) -> Vectors:
    """The vector of what is looked for, float32 [d].

    Raises:
        RefusedError: the model cannot read it, or there is no such video.
    """
    if asked.query is not None:
        return await parts.texts.ask(asked.query)
    if asked.like is not None:
        return await parts.on_model(parts.engine.frame_vector, asked.like.video_id, asked.like.time)
    return await picture_vector(asked.image or "", parts)


async def picture_vector(text: str, parts: Services) -> Vectors:
    """The vector of a picture in base64, float32 [d].

    Raises:
        RefusedError: it is none, or too large.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError("unreadable_image", f"the picture is not base64: {error}") from None
    if len(data) > IMAGE_BYTES:
        raise RefusedError("too_large", f"a picture may have {IMAGE_BYTES} bytes, received {len(data)}")
    pixels = await parts.on_decoder(parts.decoders.picture, data)
    return await parts.on_model(parts.engine.encode_picture, pixels)


def selection_of(given: Filter) -> Selection:
    """The part of a filter that is about whole videos."""
    return Selection(
        folder=given.folder or None,
        ids=None if given.video_ids is None else frozenset(given.video_ids),
        name=given.name or None,
        least_s=given.min_duration,
        most_s=given.max_duration,
        after=in_utc(given.indexed_after),
        before=in_utc(given.indexed_before),
    )


def _between(given: Filter) -> tuple[float, float] | None:
    if given.start is None and given.end is None:
        return None
    start = -FAR_S if given.start is None else given.start
    return start, FAR_S if given.end is None else given.end


def _stages(result: SearchResult) -> Stages | None:
    if not isinstance(result, LevelResult):
        return None
    return Stages(took_ms=result.took_ms, without=result.without)


def _hit(rank: int, found: Found, findings: Findings) -> SearchHit:
    entry = findings.entries.get(found.video)
    moments = None
    if found.video in findings.groups:
        moments = [_moment(each) for each in findings.groups[found.video]]
    return SearchHit(
        rank=rank,
        video_id=found.video,
        name=found.name,
        folder=entry.folder if entry is not None else "",
        duration=entry.video.duration_s if entry is not None else found.end_s,
        moments=moments,
        **_moment(found).model_dump(),
    )


def _moment(found: Found) -> FoundMoment:
    return FoundMoment(
        start=found.start_s,
        end=found.end_s,
        score=found.score,
        best_time=found.best_s,
        best_score=found.best_score,
        thumbnail_url=thumbnail_url(found.video, found.best_s),
        stream_url=f"{stream_url(found.video)}#t={max(found.start_s, 0):.3f}",
    )


def thumbnail_url(video_id: str, at_s: float) -> str:
    """Of the frame at a time."""
    return f"/v1/videos/{video_id}/thumbnail?{urlencode({'t': round(at_s, 3)})}"


def stream_url(video_id: str) -> str:
    """Of the file."""
    return f"/v1/videos/{video_id}/stream"
