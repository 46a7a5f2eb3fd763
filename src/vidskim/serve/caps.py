"""How much one request, and all of them together, may ask for."""

from dataclasses import dataclass, fields

from vidskim.errors import SettingsError

TOP_K = 200  # results of a search
QUERY_CHARS = 1000
TEXTS = 64  # in one request for embeddings
IDS = 1000  # videos named in a filter or a job
IMAGE_BYTES = 8 * 2**20  # of a picture to search with, before base64
IMAGE_PIXELS = 2**25


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Caps that whoever runs the server may set.

    Args:
        upload_bytes: of one video.
        upload_s: seconds an upload may take.
        idle_s: seconds a sender may be silent.
        body_s: seconds a request other than an upload may take to arrive.
        uploads: at the same time.
        requests: in flight at the same time, downloads and event streams included.
        queue: searches, and texts, and work for the model or the decoders, that wait for their turn.
        deadline_s: seconds a search or a text may wait and take, and work for the model or the decoders may wait.
        pixels: of a frame of an uploaded video.
        duration_s: of an uploaded video, seconds.
        free_bytes: left on the disk of the uploads.
        jobs: that wait for their turn.
    """

    upload_bytes: int = 4 * 2**30
    upload_s: float = 3600.0
    idle_s: float = 20.0
    body_s: float = 30.0
    uploads: int = 4
    requests: int = 256
    queue: int = 128
    deadline_s: float = 30.0
    pixels: int = 2**26
    duration_s: float = 6 * 3600.0
    free_bytes: int = 2**30
    jobs: int = 100

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise SettingsError(f"Caps.{field.name} must be above 0, received {value}")

    @property
    def body_bytes(self) -> int:
        """Of a request other than an upload: room for a picture in base64."""
        return IMAGE_BYTES * 4 // 3 + 2**16
