"""What a set of scripts holds, in numbers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vidskim.errors import SettingsError
from vidskim.synth.script import Script
from vidskim.synth.vocabulary import ACTIONS, CAMERAS, COLOURS, PATTERNS, SHAPES, SIZES

QUANTILES = (0, 10, 25, 50, 75, 90, 100)  # per cent


def describe_scripts(scripts: Sequence[Script]) -> dict[str, Any]:
    """Counts and distributions of videos, events and captions, as plain JSON values.

    Args:
        scripts: one or more.

    Returns:
        "videos": count, seconds in all, least, median and most seconds and events, shares with cuts and with a camera
        that moves in any shot. "events": count, length in seconds by quantile ("0" to "100"), share held out, share
        of the video's time with an event, and counts for each shape, colour, size, action, background and camera (of
        the event's shot; zeros included). "captions": count, how many distinct, distinct words, and least, median and
        most words.

    Raises:
        SettingsError: no scripts.
    """
    if not scripts:
        raise SettingsError("statistics need one video or more, received none")
    return {
        "videos": _describe_videos(scripts),
        "events": _describe_events(scripts),
        "captions": _describe_captions(scripts),
    }


def statistics_lines(statistics: dict[str, Any]) -> list[str]:
    """The same for people, in lines of plain text."""
    videos, events, captions = (statistics[part] for part in ("videos", "events", "captions"))
    lengths = ", ".join(f"{seconds:.1f}" for seconds in events["length_s"].values())
    return [
        f"{videos['count']} videos, {videos['seconds']:.0f} s, each {_span(videos['seconds_each'])} s; "
        f"{videos['share_cut']:.0%} with cuts, {videos['share_moving_camera']:.0%} with a moving camera",
        f"{events['count']} events, {_span(videos['events_each'])} a video; "
        f"{events['share_held_out']:.0%} held out, {events['share_of_time']:.0%} of the time has one",
        f"event length in s at {', '.join(events['length_s'])} %: {lengths}",
        *(f"{kind}: {_counts_text(events[kind])}" for kind in _VOCABULARY),
        f"{captions['count']} captions, {captions['distinct']} distinct, {captions['distinct_words']} words, "
        f"each {_span(captions['words_each'])} words long",
    ]


_VOCABULARY: dict[str, Iterable[str]] = {
    "shape": SHAPES,
    "colour": COLOURS,
    "size": SIZES,
    "action": ACTIONS,
    "background": PATTERNS,
    "camera": CAMERAS,
}


def _describe_videos(scripts: Sequence[Script]) -> dict[str, Any]:
    seconds = [script.duration_s for script in scripts]
    return {
        "count": len(scripts),
        "seconds": round(sum(seconds), 1),
        "seconds_each": _summarise(seconds),
        "events_each": _summarise([len(script.events) for script in scripts]),
        "share_cut": _share(len(script.shots) > 1 for script in scripts),
        "share_moving_camera": _share(any(shot.camera.moves for shot in script.shots) for script in scripts),
    }


def _describe_events(scripts: Sequence[Script]) -> dict[str, Any]:
    pairs = [(event, script.shot_at(event.start_s)) for script in scripts for event in script.events]
    lengths = [event.length_s for event, _ in pairs]
    values = np.percentile(lengths, QUANTILES)
    found = {
        "shape": Counter(event.actor.look.shape for event, _ in pairs),
        "colour": Counter(event.actor.look.colour for event, _ in pairs),
        "size": Counter(event.actor.look.size for event, _ in pairs),
        "action": Counter(str(event.actor.action) for event, _ in pairs),
        "background": Counter(shot.background.pattern for _, shot in pairs),
        "camera": Counter(shot.camera.kind for _, shot in pairs),
    }
    return {
        "count": len(pairs),
        "length_s": {str(at): round(float(value), 2) for at, value in zip(QUANTILES, values, strict=True)},
        "share_held_out": _share(event.held_out for event, _ in pairs),
        "share_of_time": round(sum(lengths) / sum(script.duration_s for script in scripts), 4),
        **{kind: {name: found[kind][name] for name in names} for kind, names in _VOCABULARY.items()},
    }


def _describe_captions(scripts: Sequence[Script]) -> dict[str, Any]:
    captions = [caption for script in scripts for event in script.events for caption in event.captions]
    words = [caption.split() for caption in captions]
    return {
        "count": len(captions),
        "distinct": len(set(captions)),
        "distinct_words": len({word for caption in words for word in caption}),
        "words_each": _summarise([len(caption) for caption in words]),
    }


def _summarise(values: Sequence[float]) -> dict[str, float]:
    return {
        name: round(float(function(values)), 2)
        for name, function in (("min", np.min), ("median", np.median), ("max", np.max))
    }


def _share(answers: Iterable[bool]) -> float:
    return round(float(np.mean([*answers])), 4)


def _span(summary: dict[str, float]) -> str:
    return f"{summary['min']:g} to {summary['max']:g} (median {summary['median']:g})"


def _counts_text(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
