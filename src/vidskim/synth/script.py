"""A video before it is drawn: shots, and in each shot an actor that does one thing. All numbers, no pixels.

Lengths are in half short sides of the picture: the square in its middle is [-1, 1] x [-1, 1], x right, y down.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import cos, pi, sin, tau

from vidskim.errors import unknown_name
from vidskim.synth.vocabulary import ACTIONS, CAMERAS, COLOURS, PATTERNS, SHAPES, SIZES, Look


@dataclass(frozen=True)
class Background:
    """A pattern in two colours under smooth noise.

    Args:
        pattern: one of `PATTERNS`.
        colours: two, RGB 0..255.
        frequency: radians for each unit of length.
        angle: of stripes, in radians.
        noise: amplitude of the smooth noise, in grey levels.
        seed: decides the noise.
    """

    pattern: str
    colours: tuple[tuple[float, float, float], tuple[float, float, float]]
    frequency: float
    angle: float
    noise: float
    seed: int

    def __post_init__(self) -> None:
        _check("pattern", self.pattern, PATTERNS)


@dataclass(frozen=True)
class Camera:
    """How the picture moves.

    Args:
        kind: one of `CAMERAS`. "pan" follows the actor: the background passes by; the others move everything.
        speed: of a pan, units a second, (x, y); of a zoom, the factor gained in one second, twice.
        shake: amplitude in units.
        phase: radians, so that no two cameras shake alike.
    """

    kind: str
    speed: tuple[float, float] = (0.0, 0.0)
    shake: float = 0.0
    phase: float = 0.0

    def __post_init__(self) -> None:
        _check("camera", self.kind, CAMERAS)

    @property
    def moves(self) -> bool:
        """Whether the background changes from frame to frame."""
        return self.kind != "static"

    def view(self, t: float) -> tuple[float, float, float]:
        """Offset x, y of everything, and zoom, `t` seconds after the shot began."""
        zoom = self.speed[0] ** t if self.kind == "zoom" else 1.0
        wave = self.shake * sin(5.1 * t + self.phase), self.shake * sin(6.7 * t + 2 * self.phase)
        jolt = 0.5 * self.shake * sin(17.3 * t + 3 * self.phase)
        return wave[0] + jolt, wave[1] - jolt, zoom

    def drift(self, t: float) -> tuple[float, float]:
        """Further offset x, y of the background alone."""
        if self.kind in ("pan", "handheld"):
            return self.speed[0] * t, self.speed[1] * t
        return 0.0, 0.0


@dataclass(frozen=True)
class Pose:
    """Where an actor is and how it looks at one moment; `opacity` 0 is unseen."""

    x: float
    y: float
    radius: float
    angle: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Actor:
    """A shape that does one thing for as long as its event lasts.

    Args:
        look: shape, colour and size.
        action: one of `ACTIONS`, or None for a bystander.
        home: middle of its path, (x, y).
        reach: length of its path; turns a second for spins, flashes a second for "blinks".
        angle: at the start, in radians, clockwise.
    """

    look: Look
    action: str | None
    home: tuple[float, float]
    reach: float
    angle: float

    def __post_init__(self) -> None:
        _check("shape", self.look.shape, SHAPES)
        _check("colour", self.look.colour, COLOURS)
        _check("size", self.look.size, SIZES)
        if self.action is not None:
            _check("action", self.action, ACTIONS)

    def pose(self, t: float, length_s: float) -> Pose:
        """Its pose `t` seconds into an event of `length_s`."""
        x, y = self.home
        radius, part = SIZES[self.look.size], t / length_s
        along = self.reach * (part - 0.5)
        match self.action:
            case "moves left":
                return Pose(x - along, y, radius, self.angle)
            case "moves right":
                return Pose(x + along, y, radius, self.angle)
            case "moves up":
                return Pose(x, y - along, radius, self.angle)
            case "moves down":
                return Pose(x, y + along, radius, self.angle)
            case "spins clockwise":
                return Pose(x, y, radius, self.angle + tau * self.reach * t)
            case "spins counterclockwise":
                return Pose(x, y, radius, self.angle - tau * self.reach * t)
            case "grows":
                return Pose(x, y, radius * (0.5 + 0.8 * part), self.angle)
            case "shrinks":
                return Pose(x, y, radius * (1.3 - 0.8 * part), self.angle)
            case "blinks":
                return Pose(x, y, radius, self.angle, float((t * self.reach) % 1.0 < 0.6))
            case "bounces":
                return Pose(x, y + 0.2 - self.reach * abs(sin(pi * 0.8 * t)), radius, self.angle)
            case "orbits":
                turn = self.angle + tau * 0.3 * t
                return Pose(
                    x + self.reach / 2 * cos(turn), y + self.reach / 2 * sin(turn), radius, self.angle
                )
            case "appears":
                return Pose(x, y, radius, self.angle, min(1.0, max(0.0, (part - 0.2) / 0.3)))
            case "disappears":
                return Pose(x, y, radius, self.angle, min(1.0, max(0.0, (0.8 - part) / 0.3)))
            case _:
                return Pose(x, y, radius, self.angle)


@dataclass(frozen=True)
class Event:
    """An actor in action on [start_s, end_s)."""

    start_s: float
    end_s: float
    actor: Actor
    captions: tuple[str, ...]
    held_out: bool

    @property
    def length_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Shot:
    """A stretch [start_s, end_s) with one background and camera.

    Args:
        light: swing of the brightness, a share.
        grain: standard deviation of the noise on each pixel, in grey levels.
        bystander: stands there the whole time, or None.
    """

    start_s: float
    end_s: float
    background: Background
    camera: Camera
    light: float
    grain: float
    bystander: Actor | None


@dataclass(frozen=True)
class Script:
    """A whole video.

    Args:
        name: file name without ending.
        shots: in order, without gaps, from 0 s.
        events: in order, not overlapping; there may be nothing to see between two.
    """

    name: str
    shots: tuple[Shot, ...]
    events: tuple[Event, ...]

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.shots[-1].end_s

    def shot_at(self, t: float) -> Shot:
        """The shot running at `t` seconds."""
        return next((shot for shot in self.shots if t < shot.end_s), self.shots[-1])

    def event_at(self, t: float) -> Event | None:
        """The event running at `t` seconds, if any."""
        return next((event for event in self.events if event.start_s <= t < event.end_s), None)


def _check(kind: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise unknown_name(kind, value, allowed)
