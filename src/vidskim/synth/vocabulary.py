"""What the synthetic world is made of, and which combinations are kept back for testing."""

from dataclasses import dataclass
from enum import StrEnum

SHAPES = (
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "ring",
    "cross",
    "diamond",
    "crescent",
    "hexagon",
    "arrow",
    "bar",
)
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 38, 38),
    "orange": (247, 140, 18),
    "yellow": (246, 226, 44),
    "green": (38, 160, 58),
    "turquoise": (58, 210, 214),
    "blue": (38, 70, 222),
    "purple": (140, 48, 172),
    "pink": (252, 142, 192),
    "white": (246, 246, 246),
    "black": (26, 26, 26),
}
# Radius of an actor in half short sides of the picture.
SIZES: dict[str, float] = {"small": 0.19, "medium": 0.28, "large": 0.40}
ACTIONS = (
    "moves left",
    "moves right",
    "moves up",
    "moves down",
    "spins clockwise",
    "spins counterclockwise",
    "grows",
    "shrinks",
    "blinks",
    "bounces",
    "orbits",
    "appears",
    "disappears",
)
PATTERNS = ("plain", "stripes", "checks", "dots", "waves", "clouds")
CAMERAS = ("static", "pan", "zoom", "shake", "handheld")


class Split(StrEnum):
    """Which combinations a video may show, and which random stream it is drawn from."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class Look:
    """Everything a caption can say about an actor without watching it."""

    shape: str
    colour: str
    size: str


def is_held_out(look: Look, action: str) -> bool:
    """Whether this combination is an event of test videos only; bystanders, which no caption names, may be anything.

    Ten of the 120 pairs of shape and colour are never trained on in any action, so that every shape and every colour
    is known, but not together; of the other pairs, every eleventh action is kept back.
    """
    shape, colour = SHAPES.index(look.shape), list(COLOURS).index(look.colour)
    if (3 * shape + colour) % len(COLOURS) == 0 and shape < len(COLOURS):
        return True
    return (shape + colour + ACTIONS.index(action)) % 11 == 0
