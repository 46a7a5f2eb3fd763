"""Counts add up and say what the scripts hold."""

import json
from dataclasses import replace

import pytest

from vidskim.errors import SettingsError
from vidskim.synth.draw import draw_script
from vidskim.synth.script import Actor, Background, Camera, Event, Script, Shot
from vidskim.synth.statistics import describe_scripts, statistics_lines
from vidskim.synth.vocabulary import ACTIONS, CAMERAS, COLOURS, PATTERNS, SHAPES, SIZES, Look

DOTS = Background("dots", ((0.0, 0.0, 0.0), (90.0, 90.0, 90.0)), 8.0, 0.0, 0.0, 1)


def event(start_s: float, end_s: float, *captions: str, held_out: bool = False) -> Event:
    return Event(
        start_s, end_s, Actor(Look("star", "red", "small"), "grows", (0, 0), 0, 0), captions, held_out
    )


def shot(start_s: float, end_s: float, camera: str = "static") -> Shot:
    return Shot(start_s, end_s, DOTS, Camera(camera), 0.0, 0.0, None)


TWO = [
    Script(
        "a",
        (shot(0, 4), shot(4, 10, "pan")),
        (event(0, 3, "a red star"), event(4, 9, "a star grows", held_out=True)),
    ),
    Script("b", (shot(0, 10),), (event(2, 6, "a red star", "one"), event(6, 8, "x"), event(8, 10, "y"))),
]


def test_two_small_videos_by_hand() -> None:
    found = describe_scripts(TWO)
    assert found["videos"] == {
        "count": 2,
        "seconds": 20.0,
        "seconds_each": {"min": 10.0, "median": 10.0, "max": 10.0},
        "events_each": {"min": 2.0, "median": 2.5, "max": 3.0},
        "share_cut": 0.5,
        "share_moving_camera": 0.5,
    }
    events = found["events"]
    assert events["count"] == 5
    assert events["length_s"] == {"0": 2.0, "10": 2.0, "25": 2.0, "50": 3.0, "75": 4.0, "90": 4.6, "100": 5.0}
    assert (events["share_held_out"], events["share_of_time"]) == (0.2, 0.8)
    assert events["camera"] == {"static": 4, "pan": 1, "zoom": 0, "shake": 0, "handheld": 0}
    assert (events["shape"]["star"], events["shape"]["bar"], events["background"]["dots"]) == (5, 0, 5)
    assert found["captions"] == {
        "count": 6,
        "distinct": 5,
        "distinct_words": 7,
        "words_each": {"min": 1.0, "median": 2.0, "max": 3.0},
    }


def test_counts_add_up_and_name_everything() -> None:
    scripts = [draw_script("test", seed=0, number=number) for number in range(60)]
    found = describe_scripts(scripts)
    assert json.loads(json.dumps(found)) == found
    total = sum(len(script.events) for script in scripts)
    names = {
        "shape": SHAPES,
        "colour": COLOURS,
        "size": SIZES,
        "action": ACTIONS,
        "background": PATTERNS,
        "camera": CAMERAS,
    }
    for kind, allowed in names.items():
        assert list(found["events"][kind]) == list(allowed)
        assert sum(found["events"][kind].values()) == total == found["events"]["count"]
    assert found["captions"]["count"] == 4 * total
    assert 100 < found["captions"]["distinct_words"] < 140
    assert list(found["events"]["length_s"].values()) == sorted(found["events"]["length_s"].values())


def test_lines_are_plain_and_hold_the_numbers() -> None:
    lines = statistics_lines(describe_scripts(TWO))
    assert lines[0] == "2 videos, 20 s, each 10 to 10 (median 10) s; 50% with cuts, 50% with a moving camera"
    assert lines[1] == "5 events, 2 to 3 (median 2.5) a video; 20% held out, 80% of the time has one"
    assert "2.0, 2.0, 2.0, 3.0, 4.0, 4.6, 5.0" in lines[2]
    assert "camera: static 4, pan 1, zoom 0, shake 0, handheld 0" in lines
    assert lines[-1] == "6 captions, 5 distinct, 7 words, each 1 to 3 (median 2) words long"


def test_a_moving_camera_in_one_shot_counts() -> None:
    still = replace(TWO[1], shots=(shot(0, 5), shot(5, 10)))
    assert describe_scripts([still])["videos"]["share_moving_camera"] == 0
    assert describe_scripts([TWO[0]])["videos"]["share_moving_camera"] == 1


def test_nothing_has_no_statistics() -> None:
    with pytest.raises(SettingsError, match="need one video or more, received none"):
        describe_scripts([])
