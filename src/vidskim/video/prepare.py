"""Frames to model input: resize the shorter side, crop the centre, scale, normalise. Equal to CLIP's published way."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from vidskim.errors import SettingsError, VideoTooLargeError, unknown_name
from vidskim.video.geometry import box_along, centre_box, fit_short_side

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
INTERPOLATIONS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}

SCALERS = ("pillow", "decoder")
MOST_PIXELS = 2**26  # of a resized frame, before the crop
MOST_THREADS = 2


@dataclass(frozen=True)
class Preparation:
    """How frames become model input.

    Args:
        size: side of the square input, pixels.
        resize: the shorter side before the crop, pixels; `size` or more.
        mean: of each channel, for pixels in 0..1.
        std: of each channel, above 0.
        interpolation: "bicubic", "bilinear", "lanczos" or "nearest", as Pillow does them.
        scaler: what resizes video frames: "pillow" (exactly as published) or "decoder" (while reading; faster, bicubic
            only, nearly equal).
    """

    size: int = 224
    resize: int = 224
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    interpolation: str = "bicubic"
    scaler: str = "pillow"

    def __post_init__(self) -> None:
        if self.size < 1 or self.resize < self.size:
            raise SettingsError(
                f"a Preparation needs 1 <= size <= resize, received size {self.size} and resize {self.resize}"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or not min(self.std) > 0:
            raise SettingsError(
                f"mean and std need three numbers, std above 0; received mean {self.mean} and std {self.std}"
            )
        if self.interpolation not in INTERPOLATIONS:
            raise unknown_name("interpolation", self.interpolation, INTERPOLATIONS)
        if self.scaler not in SCALERS:
            raise unknown_name("scaler", self.scaler, SCALERS)
        if self.scaler == "decoder" and self.interpolation != "bicubic":
            raise SettingsError(
                f'scaler="decoder" is bicubic, and this model needs {self.interpolation}; use "pillow"'
            )

    @classmethod
    def clip(cls, size: int = 224) -> "Preparation":
        """As CLIP was trained."""
        return cls(size=size, resize=size)

    @classmethod
    def imagenet(cls, size: int = 224, resize: int = 256) -> "Preparation":
        """As most ImageNet classifiers are evaluated."""
        return cls(size=size, resize=resize, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    @property
    def reading_side(self) -> int | None:
        """The shorter side that frames are resized to while they are read; None leaves them as they are."""
        return self.resize if self.scaler == "decoder" else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}


def resized_size(y: int, x: int, preparation: Preparation) -> tuple[int, int]:
    """Height and width of a frame after the resize, before the crop."""
    return fit_short_side(y, x, preparation.resize)


def prepare_frames(
    frames: npt.NDArray[np.uint8], preparation: Preparation, *, along: float | None = None
) -> torch.Tensor:
    """Model input from RGB frames.

    Frames that already have the resized size, as `read_video(short_side=...)` gives them, are only cropped.

    Args:
        frames: uint8 [t, y, x, 3].
        along: where the crop lies along the longer side, 0 at its start, 1 at its end; None for the centre.

    Returns:
        float32 [t, 3, size, size], normalised.

    Raises:
        SettingsError: the frames have another type or shape.
        VideoTooLargeError: the frames are so long and narrow that resizing them would fill the memory.

    Source: the preparation published with CLIP (resize, centre crop, scale to 0..1, normalise).
    """
    return normalise(crop_frames(frames, preparation, along=along), preparation)


def crop_frames(
    frames: npt.NDArray[np.uint8], preparation: Preparation, *, along: float | None = None
) -> npt.NDArray[np.uint8]:
    """The first half of `prepare_frames`: resized and cropped, uint8 [t, size, size, 3]; the same errors."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        received = f"{frames.dtype} {list(frames.shape)}"
        raise SettingsError(f"frames must be uint8 [t, y, x, 3], received {received}")
    t, y, x, _ = frames.shape
    size = resized_size(y, x, preparation)
    _check_resized(y, x, size)
    cropped = np.empty((t, preparation.size, preparation.size, 3), np.uint8)

    def fill(number: int) -> None:
        cropped[number] = _cropped(frames[number], size, preparation, along)

    # Pillow lets other threads run. PyTorch's number of threads says how many the caller allows.
    with ThreadPoolExecutor(min(MOST_THREADS, torch.get_num_threads())) as pool:
        list(pool.map(fill, range(t)))
    return cropped


def normalise(cropped: npt.NDArray[np.uint8], preparation: Preparation) -> torch.Tensor:
    """The second half: uint8 [t, size, size, 3] -> float32 [t, 3, size, size], scaled and normalised."""
    pixels = torch.from_numpy(cropped).permute(0, 3, 1, 2).contiguous()  # [t, 3, y, x]
    mean, std = _channels(preparation)
    return pixels.float().div_(255.0).sub_(mean).div_(std)


def _cropped(
    frame: npt.NDArray[np.uint8], size: tuple[int, int], preparation: Preparation, along: float | None
) -> npt.NDArray[np.uint8]:
    top, left, bottom, right = (
        centre_box(*size, preparation.size)
        if along is None
        else box_along(*size, preparation.size, along=along)
    )
    if frame.shape[:2] == size:
        return frame[top:bottom, left:right]
    image = Image.fromarray(np.ascontiguousarray(frame))
    # Resizing only what the crop keeps, with `resize(box=...)`, rounds otherwise than published.
    resized = image.resize((size[1], size[0]), INTERPOLATIONS[preparation.interpolation])
    return np.asarray(resized)[top:bottom, left:right]


def _check_resized(y: int, x: int, size: tuple[int, int]) -> None:
    """Refuse frames so long and narrow that resizing them would fill the memory."""
    if (y, x) != size and size[0] * size[1] > MOST_PIXELS:
        message = (
            f"a {x}x{y} frame would become {size[1]}x{size[0]} pixels before the crop, above {MOST_PIXELS}; "
            "leave this video out or cut its frames to a less extreme shape"
        )
        raise VideoTooLargeError(message, path="frames")


def _channels(preparation: Preparation) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = torch.tensor(preparation.mean), torch.tensor(preparation.std)
    return mean.reshape(3, 1, 1), std.reshape(3, 1, 1)
