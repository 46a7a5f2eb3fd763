"""What is to be seen when: annotations in the formats of two public data sets, and a reader.

annotations.jsonl: one line for each event, in the style of QVHighlights. `qid`, `query`, `vid` (file name without
ending), `duration` and `relevant_windows` mean what they mean there; the other keys are ours: `captions` (all
paraphrases, the query first), `shape`, `colour`, `size`, `action`, `background`, `camera`, `held_out` (no training or
validation event shows this combination) and `cut` (the video is cut between its events). `relevant_clip_ids` and
`saliency_scores` are left out: they come from people who watched two-second clips, and our events start at any time.

activitynet.json: one entry for each video, "v_" and its name, in the style of ActivityNet Captions.

actions.csv, where each video shows one action: "videos/NAME.mp4,action" a line, as lists of labelled videos are read.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from vidskim.disk import writing
from vidskim.errors import SettingsError, unknown_name
from vidskim.synth.script import Event, Script
from vidskim.synth.vocabulary import ACTIONS, CAMERAS, COLOURS, PATTERNS, SHAPES, SIZES, Look

ANNOTATIONS, ACTIVITYNET, ACTION_LIST = "annotations.jsonl", "activitynet.json", "actions.csv"
VIDEOS = "videos"
ENDING = ".mp4"
_TYPES: dict[str, type | tuple[type, ...]] = {
    "qid": int,
    "query": str,
    "vid": str,
    "duration": (int, float),
    "relevant_windows": list,
    "captions": list,
    "shape": str,
    "colour": str,
    "size": str,
    "action": str,
    "background": str,
    "camera": str,
    "held_out": bool,
    "cut": bool,
}


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One event of one video.

    Args:
        qid: number of the event in its folder.
        video: file name, with ending.
        duration_s: of the video as scripted; the file may be up to half a frame shorter or longer.
        start_s: where the event begins.
        end_s: where it ends; nothing else is captioned on [start_s, end_s).
        captions: paraphrases, one or more; the first is the query.
        look: of the actor.
        action: what it does.
        background: pattern behind it.
        camera: of the event's shot.
        held_out: whether the combination is in test videos only.
        cut: whether the video is cut between its events.

    Raises:
        SettingsError: times that are no stretch of the video, no captions, a name that is not in the vocabulary, or a
            video that is no plain file name.
    """

    qid: int
    video: str
    duration_s: float
    start_s: float
    end_s: float
    captions: tuple[str, ...]
    look: Look
    action: str
    background: str
    camera: str
    held_out: bool
    cut: bool

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s <= self.duration_s < math.inf:
            raise SettingsError(
                "an event must be a stretch of its video, 0 <= start < end <= duration, "
                f"received {self.start_s} to {self.end_s} of {self.duration_s} s"
            )
        if not self.captions or not all(isinstance(text, str) and text for text in self.captions):
            raise SettingsError(
                f"an event needs captions, texts of one letter or more, received {self.captions}"
            )
        if Path(self.video).name != self.video or not self.video.removesuffix(ENDING):
            raise SettingsError(f"a video must be a plain file name, received {self.video!r}")
        names = {
            "shape": (self.look.shape, SHAPES),
            "colour": (self.look.colour, COLOURS),
            "size": (self.look.size, SIZES),
            "action": (self.action, ACTIONS),
            "background": (self.background, PATTERNS),
            "camera": (self.camera, CAMERAS),
        }
        for kind, (value, allowed) in names.items():
            if value not in allowed:
                raise unknown_name(kind, value, allowed)

    @property
    def query(self) -> str:
        """The first caption."""
        return self.captions[0]

    def to_json(self) -> dict[str, Any]:
        """A line of annotations.jsonl."""
        return {
            "qid": self.qid,
            "query": self.query,
            "duration": self.duration_s,
            "vid": self.video.removesuffix(ENDING),
            "relevant_windows": [[self.start_s, self.end_s]],
            "captions": list(self.captions),
            "shape": self.look.shape,
            "colour": self.look.colour,
            "size": self.look.size,
            "action": self.action,
            "background": self.background,
            "camera": self.camera,
            "held_out": self.held_out,
            "cut": self.cut,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Annotation":
        """Read what `to_json` wrote; keys it does not know are left aside.

        Raises:
            SettingsError: a key is missing, or a value is of the wrong type or out of range.
        """
        _check_types(record)
        if record["captions"][:1] != [record["query"]]:
            raise SettingsError(
                f"the query must be the first caption, received {record['query']!r} and {record['captions']}"
            )
        start_s, end_s = _only_window(record["relevant_windows"])
        return cls(
            qid=record["qid"],
            video=record["vid"] + ENDING,
            duration_s=float(record["duration"]),
            start_s=start_s,
            end_s=end_s,
            captions=tuple(record["captions"]),
            look=Look(record["shape"], record["colour"], record["size"]),
            action=record["action"],
            background=record["background"],
            camera=record["camera"],
            held_out=record["held_out"],
            cut=record["cut"],
        )


def annotate(scripts: Sequence[Script]) -> list[Annotation]:
    """Every event of some videos, in order; the first has number 0."""
    pairs = [(script, event) for script in scripts for event in script.events]
    return [_annotate_event(script, event, qid) for qid, (script, event) in enumerate(pairs)]


def write_annotations(folder: Path, annotations: Sequence[Annotation]) -> None:
    """Write annotations.jsonl and activitynet.json, each whole or not at all.

    Args:
        folder: where to; made if it is not there.
        annotations: the events of a video next to each other.
    """
    entries = {f"v_{video}": entry for video, entry in _activitynet_entries(annotations)}
    with writing(folder / ACTIVITYNET) as file:
        file.write(json.dumps(entries, indent=1).encode() + b"\n")
    with writing(folder / ANNOTATIONS) as file:
        for annotation in annotations:
            file.write(json.dumps(annotation.to_json()).encode() + b"\n")


def write_action_list(folder: Path, annotations: Sequence[Annotation]) -> None:
    """Write actions.csv, for videos of one event each."""
    with writing(folder / ACTION_LIST) as file:
        for annotation in annotations:
            file.write(f"{VIDEOS}/{annotation.video},{annotation.action}\n".encode())


def read_annotations(folder: Path) -> list[Annotation]:
    """Read a folder's annotations.jsonl.

    Args:
        folder: what `write_library` wrote; an event's video is `folder / "videos" / annotation.video`.

    Raises:
        SettingsError: there is no such file, or a line of it is no annotation.
    """
    path = Path(folder) / ANNOTATIONS
    if not path.is_file():
        raise SettingsError(
            f"{path}: no such file; it is written when all videos are there, so run vidskim synth "
            f"{folder} (again, with the same arguments)"
        )
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            found.append(Annotation.from_json(json.loads(line)))
        except ValueError as error:  # a SettingsError is one too
            raise SettingsError(f"{path}, line {number}: {error}") from error
    return found


def _annotate_event(script: Script, event: Event, qid: int) -> Annotation:
    shot = script.shot_at(event.start_s)
    return Annotation(
        qid=qid,
        video=script.name + ENDING,
        duration_s=script.duration_s,
        start_s=event.start_s,
        end_s=event.end_s,
        captions=event.captions,
        look=event.actor.look,
        action=str(event.actor.action),
        background=shot.background.pattern,
        camera=shot.camera.kind,
        held_out=event.held_out,
        cut=len(script.shots) > 1,
    )


def _activitynet_entries(annotations: Sequence[Annotation]) -> list[tuple[str, dict[str, Any]]]:
    entries = []
    for video, group in groupby(annotations, key=lambda annotation: annotation.video):
        events = list(group)
        entry = {
            "duration": events[0].duration_s,
            "timestamps": [[event.start_s, event.end_s] for event in events],
            "sentences": [event.query for event in events],
        }
        entries.append((video.removesuffix(ENDING), entry))
    return entries


def _check_types(record: object) -> None:
    if not isinstance(record, Mapping):
        raise SettingsError(f"an annotation must be a JSON object, received {str(record)[:40]!r}")
    missing = [key for key in _TYPES if key not in record]
    if missing:
        raise SettingsError(
            f"an annotation of ours must have {', '.join(_TYPES)}; missing: {', '.join(missing)}"
        )
    for key, wanted in _TYPES.items():
        value = record[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            name = wanted.__name__ if isinstance(wanted, type) else "number"
            raise SettingsError(f"{key} must be a {name}, received {value!r}")


def _only_window(windows: list[Any]) -> tuple[float, float]:
    if len(windows) == 1 and isinstance(windows[0], list) and len(windows[0]) == 2:
        start_s, end_s = windows[0]
        if all(isinstance(time, int | float) and not isinstance(time, bool) for time in (start_s, end_s)):
            return float(start_s), float(end_s)
    raise SettingsError(f"relevant_windows must be one pair of seconds, [[start, end]], received {windows}")
