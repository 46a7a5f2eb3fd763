"""The records reading gives: Clip (frames and their times), Health (what was damaged), VideoInfo (the header)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidskim.errors import SettingsError


@dataclass(frozen=True)
class Health:
    """How the reading went. A file without damage has no bad packets, no corrupt frames and is not truncated.

    Args:
        strategy: "straight", "nonref", "groups" or "groups+nonref"; see `plan.plan_packets`.
        packets_total: packets of the video stream in the file.
        packets_decoded: packets given to the decoder.
        packets_bad: packets that could not be read or decoded.
        frames_decoded: frames that came out of the decoder.
        frames_corrupt: frames marked corrupt by the decoder, or dropped because their time went backwards.
        truncated: the stream ends clearly before the header says.
        last_time_s: timestamp of the last packet of the stream.
        expected_end_s: end of the stream by its header, or None if the header does not say.
        first_problem: where and what the first problem was, or None.
    """

    strategy: str
    packets_total: int = 0
    packets_decoded: int = 0
    packets_bad: int = 0
    frames_decoded: int = 0
    frames_corrupt: int = 0
    truncated: bool = False
    last_time_s: float = 0.0
    expected_end_s: float | None = None
    first_problem: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether no damage was seen."""
        return not (self.packets_bad or self.frames_corrupt or self.truncated)


@dataclass(frozen=True)
class VideoInfo:
    """What the header says about a video, as displayed.

    Args:
        width: pixels, after rotation.
        height: pixels, after rotation.
        rotation: degrees clockwise that the stored frame is turned for display: 0, 90, 180 or 270.
        mirrored: whether it is also flipped left to right, after the turn.
        duration_s: seconds, or None if unknown.
        frame_rate: frames per second, or None if unknown.
        frames_in_header: number of frames by the header, which may be wrong, or None.
        size_bytes: size of the file.
    """

    path: str
    width: int
    height: int
    rotation: int
    mirrored: bool
    codec: str
    duration_s: float | None
    frame_rate: float | None
    frames_in_header: int | None
    size_bytes: int


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of one video and the times they are shown.

    Args:
        frames: uint8 [t, y, x, 3], RGB as displayed, t at least 1.
        times_s: float64 [t], the decoder's timestamps in seconds, never decreasing. The first may be other than 0.
        motion: float32 [t, my, mx], or None. Length of the codec's motion vectors, in stored pixels per native frame,
            summed over the 11 native frames around each frame. The cells divide the displayed frame evenly, one for
            about 8x8 stored pixels.
        health: how the reading went.
        signed: `motion` is the motion to the right plus the motion down instead, so that opposing motion cancels.
    """

    frames: npt.NDArray[np.uint8]
    times_s: npt.NDArray[np.float64]
    motion: npt.NDArray[np.float32] | None
    health: Health
    signed: bool = False

    def __post_init__(self) -> None:
        _expect("frames", self.frames, np.uint8, "[t, y, x, 3]", self.frames.ndim == 4)
        shaped = self.frames.shape[-1] == 3 and min(self.frames.shape) >= 1
        _expect("frames", self.frames, np.uint8, "[t, y, x, 3], none of them 0", shaped)
        t = len(self.frames)
        _expect("times_s", self.times_s, np.float64, f"[{t}]", self.times_s.shape == (t,))
        if not np.isfinite(self.times_s).all() or (np.diff(self.times_s) < 0).any():
            raise SettingsError(f"Clip.times_s must be finite and never decrease, received {self.times_s}")
        if self.motion is not None:
            fits = self.motion.ndim == 3 and len(self.motion) == t
            _expect("motion", self.motion, np.float32, f"[{t}, my, mx]", fits)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, part: slice) -> "Clip":
        """The frames of a slice, as a Clip that shares memory with this one.

        Raises:
            SettingsError: not a slice, or one without a single frame.
        """
        if not isinstance(part, slice):
            raise SettingsError(_not_a_slice(part))
        if not len(self.times_s[part]):
            raise SettingsError(
                f"a Clip has one frame or more, and clip[{_written(part)}] of {len(self)} has none"
            )
        motion = None if self.motion is None else self.motion[part]
        return Clip(self.frames[part], self.times_s[part], motion, self.health, self.signed)

    def __repr__(self) -> str:
        motion = "None" if self.motion is None else f"float32 {list(self.motion.shape)}"
        span = f"{self.times_s[0]:.3f}..{self.times_s[-1]:.3f}"
        return f"Clip(frames=uint8 {list(self.frames.shape)}, times_s={span}, motion={motion}, {self.health})"


def _not_a_slice(part: object) -> str:
    hint = "clip.frames[i] is one frame, clip[i : i + 1] a Clip of one"
    return f"a Clip is cut with a slice, such as clip[2:5], received {part!r}; {hint}"


def _written(part: slice) -> str:
    bounds = ["" if bound is None else str(bound) for bound in (part.start, part.stop)]
    return ":".join(bounds if part.step is None else [*bounds, str(part.step)])


def _expect(name: str, array: np.ndarray, dtype: type, shape: str, fits: bool) -> None:
    if array.dtype != dtype or not fits:
        wanted = f"{np.dtype(dtype)} {shape}"
        raise SettingsError(f"Clip.{name} must be {wanted}, received {array.dtype} {list(array.shape)}")
