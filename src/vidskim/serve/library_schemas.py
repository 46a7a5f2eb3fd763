"""Documents about the store and the server: videos, folders, jobs, uploads, readiness."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from vidskim.serve.caps import IDS
from vidskim.serve.schemas import Asked, IndexView, VideoId


class VideoView(BaseModel):
    """A stored video."""

    video_id: str
    name: str
    folder: str
    duration: float
    frames: int
    fps: float | None
    indexed_at: str
    available: bool | None = Field(description="Whether its file can be served; null if not looked at.")
    thumbnail_url: str
    stream_url: str
    signal_url: str


class VideoList(BaseModel):
    """A page of videos in order of place."""

    videos: list[VideoView]
    total: int
    offset: int


class FolderList(BaseModel):
    """Folders that may be indexed, and those that hold stored videos."""

    roots: list[str]
    folders: list[str]


class JobRequest(Asked):
    """What to index: a folder with all below, or videos that are stored already."""

    folder: str | None = Field(default=None, min_length=1, max_length=1000)
    video_ids: list[VideoId] | None = Field(default=None, min_length=1, max_length=IDS)
    reindex: bool = Field(False, strict=True, description="Encode again what is in the store.")

    @model_validator(mode="after")
    def _names_one_thing(self) -> "JobRequest":
        if (self.folder is None) == (self.video_ids is None):
            raise ValueError("give one of folder and video_ids")
        return self


class FailureView(BaseModel):
    """A video that could not be indexed."""

    video: str
    kind: str
    message: str


class JobView(BaseModel):
    """An indexing job; done + failed + skipped of `listed` videos are settled."""

    job_id: str
    about: str
    state: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    created_at: str
    started_at: str | None
    ended_at: str | None
    attempt: int
    listed: int
    done: int
    failed: int
    skipped: int
    frames: int
    current: str | None
    current_time: float | None
    failures: list[FailureView]
    message: str
    events_url: str


class JobList(BaseModel):
    """Newest first."""

    jobs: list[JobView]


class UploadAnswer(BaseModel):
    """A video that was taken in, and the job that indexes it."""

    name: str
    size_bytes: int
    width: int
    height: int
    duration: float | None
    codec: str
    job: JobView


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """What is ready."""

    status: Literal["ready"] = "ready"
    index: IndexView
    thresholds: dict[str, float | None]
    needs_token: bool = Field(description="Whether one signs in here.")
