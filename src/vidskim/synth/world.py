"""A set of synthetic videos as numbers: the arguments decide every script, and world.json keeps them."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vidskim.errors import SettingsError, unknown_name
from vidskim.synth.actions import draw_action
from vidskim.synth.draw import draw_script
from vidskim.synth.script import Script
from vidskim.synth.vocabulary import Split

WORLD = "world.json"
FORMAT_VERSION = 1  # raised when the same scripts would give other pixels or other files
LEAST_SIDE, MOST_SIDE = 16, 4096
LEAST_FPS, MOST_FPS = 1, 240


@dataclass(frozen=True, kw_only=True)
class World:
    """Which videos, and how they are drawn.

    Args:
        videos: how many, 1 or more; numbers 0 to `videos` - 1 of the split.
        split: "train", "validation" or "test".
        seed: of the collection, 0 or more.
        fps: frames a second, 1 to 240.
        height: of the picture, 16 to 4096.
        width: of the picture, 16 to 4096.
        actions: short videos of one action each, for classifiers, instead of longer ones of several events.

    Raises:
        SettingsError: a value is unknown or out of range.
    """

    videos: int
    split: str = "test"
    seed: int = 0
    fps: float = 15.0
    height: int = 240
    width: int = 320
    actions: bool = False

    def __post_init__(self) -> None:
        splits = [str(split) for split in Split]
        if self.split not in splits:
            raise unknown_name("split", self.split, splits)
        for name, least, most in (
            ("videos", 1, math.inf),
            ("seed", 0, math.inf),
            ("height", LEAST_SIDE, MOST_SIDE),
            ("width", LEAST_SIDE, MOST_SIDE),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                room = f"{least} or more" if most == math.inf else f"{least} to {most}"
                raise SettingsError(f"{name} must be a whole number, {room}, received {value!r}")
        if isinstance(self.fps, bool) or not isinstance(self.fps, int | float):
            raise SettingsError(f"fps must be a number, received {self.fps!r}")
        if not LEAST_FPS <= self.fps <= MOST_FPS:
            raise SettingsError(f"fps must be {LEAST_FPS} to {MOST_FPS}, received {self.fps}")

    def script(self, number: int) -> Script:
        """Video `number`, from 0."""
        draw = draw_action if self.actions else draw_script
        return draw(self.split, seed=self.seed, number=number)

    def scripts(self, *, limit: int | None = None) -> list[Script]:
        """All videos in order, or the first `limit`."""
        count = self.videos if limit is None else min(limit, self.videos)
        return [self.script(number) for number in range(count)]

    def frames(self, script: Script) -> int:
        """How many frames a video has."""
        return round(script.duration_s * self.fps)

    def describe(self) -> dict[str, Any]:
        """The content of world.json: arguments, a digest of the scripts they lead to, and counts."""
        scripts = self.scripts()
        text = json.dumps([asdict(script) for script in scripts])
        return {
            "format": FORMAT_VERSION,
            **self._arguments(),
            "scripts": hashlib.sha256(text.encode()).hexdigest()[:16],
            "counts": {
                "videos": len(scripts),
                "events": sum(len(script.events) for script in scripts),
                "frames": sum(map(self.frames, scripts)),
                "seconds": round(sum(script.duration_s for script in scripts), 1),
            },
        }

    def _arguments(self) -> dict[str, Any]:
        """As world.json keeps them; `actions` is there where it holds."""
        return {name: value for name, value in asdict(self).items() if name != "actions" or value}


def read_world(folder: Path) -> World:
    """The arguments a folder of videos was made with.

    Raises:
        SettingsError: there is no world.json, or it is something else.
    """
    record = read_description(Path(folder))
    if record is None:
        raise SettingsError(f"{Path(folder) / WORLD}: no such file; write videos with vidskim synth {folder}")
    names = [field.name for field in fields(World) if field.name != "actions" or "actions" in record]
    missing = [name for name in names if name not in record]
    if missing or record.get("format") != FORMAT_VERSION:
        raise SettingsError(
            f"{Path(folder) / WORLD}: expected format {FORMAT_VERSION} with {', '.join(names)}, "
            f"received format {record.get('format')!r}, missing {', '.join(missing) or 'nothing'}"
        )
    return World(**{name: record[name] for name in names})


def read_description(folder: Path) -> dict[str, Any] | None:
    """What a folder's world.json says, as it is; None if there is no such file.

    Raises:
        SettingsError: it is no JSON object.
    """
    path = folder / WORLD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON ({error}); remove it or use another folder") from error
    if not isinstance(record, dict):
        raise SettingsError(f"{path}: not a JSON object; remove it or use another folder")
    return record


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """One line for each key in which two descriptions differ, "key: theirs -> ours".

    What follows from other keys is named only if they are equal.
    """
    keys = [key for key in ours if theirs.get(key) != ours[key]]
    arguments = [key for key in keys if key not in ("scripts", "counts")]
    return [f"{key}: {theirs.get(key)} -> {ours[key]}" for key in arguments or keys]
