"""What requests hold and answers look like: the documents behind OpenAPI."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidskim.serve.caps import IDS, IMAGE_BYTES, QUERY_CHARS, TEXTS, TOP_K

Query = Annotated[
    str, Field(min_length=1, max_length=QUERY_CHARS, description="What is to be seen, in a sentence.")
]
VideoId = Annotated[str, Field(min_length=1, max_length=64, description="Id of a video.")]
Seconds = Annotated[float, Field(strict=True, ge=-1e6, le=1e6, allow_inf_nan=False)]
Length = Annotated[float, Field(strict=True, ge=0, le=1e9, allow_inf_nan=False)]
Picture = Annotated[
    str,
    Field(
        min_length=1, max_length=IMAGE_BYTES * 4 // 3 + 4, description="JPEG, PNG, WebP, GIF or BMP, base64."
    ),
]
Level = Literal["moment", "video"]
Window = Annotated[
    float,
    Field(
        strict=True, ge=0, le=3600, allow_inf_nan=False, description="Moving average in seconds; 0 for none."
    ),
]


class Asked(BaseModel):
    """A request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class Likeness(Asked):
    """A frame of a stored video."""

    video_id: VideoId
    time: Seconds


class Filter(Asked):
    """Which videos, and which part of each, may answer; all conditions hold together."""

    folder: str | None = Field(
        default=None, max_length=1000, description='Place such as "clips/2024", and all below.'
    )
    video_ids: list[VideoId] | None = Field(default=None, max_length=IDS)
    name: str | None = Field(
        default=None, max_length=200, description="Part of the place, without regard to case."
    )
    start: Seconds | None = Field(default=None, description="Only from this second of each video on.")
    end: Seconds | None = Field(default=None, description="Only up to this second of each video.")
    min_duration: Length | None = None
    max_duration: Length | None = None
    indexed_after: datetime | None = None
    indexed_before: datetime | None = None

    @model_validator(mode="after")
    def _start_before_end(self) -> "Filter":
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"start must be before end, received {self.start:g} and {self.end:g}")
        return self


class Wanted(Asked):
    """What is looked for: one of `query`, `image` and `like`."""

    query: Query | None = None
    image: Picture | None = None
    like: Likeness | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "Wanted":
        if sum(each is not None for each in (self.query, self.image, self.like)) != 1:
            raise ValueError("give one of query, image and like")
        return self


class SearchRequest(Wanted):
    """One of `query`, `image` and `like`, and how to answer."""

    top_k: int = Field(10, strict=True, ge=1, le=TOP_K)
    level: Level | None = Field(
        default=None,
        description="For sentences, of a store made with `vidskim index --retrieval`. video: whole videos by their own "
        "vectors, each with its best segment. moment: the best segments first, then moments inside them. Default: "
        "moments by frames alone.",
    )
    group_by: Literal["video"] | None = Field(
        default=None, description="video: results are videos with their moments; without level."
    )
    threshold: float | None = Field(
        default=None,
        strict=True,
        ge=-1,
        le=1,
        allow_inf_nan=False,
        description="Least score; default calibrated, and none with level video; -1 for none.",
    )
    filter: Filter = Filter()

    @model_validator(mode="after")
    def _level_fits(self) -> "SearchRequest":
        if self.level is None:
            return self
        if self.query is None:
            raise ValueError("level is for sentences: leave it out with image and like")
        if self.group_by is not None:
            raise ValueError("group_by is for searches by frames alone: leave it out with level")
        if self.level == "video" and (self.filter.start, self.filter.end) != (None, None):
            raise ValueError("filter.start and filter.end are about moments: leave them out with level video")
        return self


class MomentView(BaseModel):
    """A stretch of a video; `score` is a cosine, comparable within one answer, and no probability."""

    start: float
    end: float
    score: float


class FoundMoment(MomentView):
    """With the frame that fits best."""

    best_time: float
    best_score: float
    thumbnail_url: str
    stream_url: str


class SearchHit(FoundMoment):
    """One result. Of level video `score` is the video's, and the moment its best segment, of `best_score`."""

    rank: int
    video_id: str
    name: str
    folder: str
    duration: float
    moments: list[FoundMoment] | None = Field(
        default=None, description="With group_by, all of the video, best first."
    )


class IndexView(BaseModel):
    """What was searched."""

    model: str
    method: str
    fingerprint: str
    dimensions: int
    videos: int
    frames: int


class Stages(BaseModel):
    """Of a search that begins with segments or whole videos."""

    took_ms: dict[str, float] = Field(description="Milliseconds of each stage, in order.")
    without: int = Field(description="Videos without such vectors, which were not searched.")


class SearchAnswer(BaseModel):
    """Results, best first; none at all if nothing is good enough."""

    results: list[SearchHit]
    level: Level = Field(
        description="What was ranked: whole videos by their own vectors, or moments; with group_by each video has the "
        "rank of its best moment."
    )
    stages: Stages | None = Field(description="Null of a search by frames alone.")
    good: bool | None = Field(
        description="Whether anything reaches the threshold; null without one, when nothing tells: the results are "
        "whatever is nearest."
    )
    best_score: float | None = Field(description="Of the best result, good enough or not.")
    threshold: float | None = Field(description="What was asked for at least; null if nothing tells.")
    how: Literal["exact", "index"]
    took_ms: float
    index: IndexView


class EmbeddingsRequest(Asked):
    """As OpenAI's; `modality` is an extension: pictures in base64, or ids of stored videos (their mean vector)."""

    input: (
        Annotated[str, Field(min_length=1, max_length=IMAGE_BYTES * 4 // 3 + 4)]
        | Annotated[
            list[Annotated[str, Field(min_length=1, max_length=IMAGE_BYTES * 4 // 3 + 4)]],
            Field(min_length=1, max_length=TEXTS),
        ]
    )
    model: str | None = Field(
        default=None, max_length=500, description="The store's model; any other is refused."
    )
    encoding_format: Literal["float", "base64"] = "float"
    modality: Literal["text", "image", "video"] = "text"
    dimensions: int | None = Field(
        default=None, strict=True, ge=1, le=65536, description="If given, the model's own."
    )
    user: str | None = Field(default=None, max_length=500, description="Ignored.")


class Embedding(BaseModel):
    """One vector, of unit length."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens of the texts that the model read, start and end of each counted; 0 for pictures and videos."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """As OpenAI's."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class GroundRequest(Asked):
    """Where in one video is a sentence?"""

    video_id: VideoId
    query: Query
    window: Window = 5.0
    factor: float = Field(
        1.0, strict=True, ge=0, le=10, allow_inf_nan=False, description="Threshold over the mean score."
    )


class SignalRequest(Wanted):
    """One of `query`, `image` and `like`, and how to smooth."""

    window: Window = 5.0


class GroundAnswer(BaseModel):
    """Moments, best first."""

    video_id: str
    moments: list[MomentView]
    threshold: float
    took_ms: float


class SignalAnswer(GroundAnswer):
    """And the curve they were cut from, each list [t]."""

    times: list[float]
    scores: list[float]
    smoothed: list[float]


class ClassifyRequest(Asked):
    """What does one video show?"""

    video_id: VideoId
    top: int = Field(5, strict=True, ge=1, le=100)
    views: Literal["one", "k400", "ssv2"] = "one"


class Label(BaseModel):
    """A class and the classifier's softmax output for it, a mean over the views."""

    label: str
    score: float


class ClassifyAnswer(BaseModel):
    """Labels, the likeliest first."""

    video_id: str
    labels: list[Label]
    views: int
    model: str
    took_ms: float


def in_utc(moment: datetime | None) -> str | None:
    """As the store writes times, so that they compare as text; without a zone it is UTC."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")
