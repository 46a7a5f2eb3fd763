"""Scripts by chance keep their promises."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidskim.synth.draw import LONGEST_S, MOVING_CAMERAS, PARAPHRASES, SHORTEST_S, draw_script
from vidskim.synth.script import Event, Script
from vidskim.synth.vocabulary import ACTIONS, SHAPES, Split, is_held_out

SEEDS = st.integers(0, 2**32)
NUMBERS = st.integers(0, 10**6)
SPLITS = st.sampled_from(list(Split))


@pytest.fixture(scope="module")
def many() -> list[Script]:
    return [draw_script("test", seed=0, number=number) for number in range(150)]


@given(split=SPLITS, seed=SEEDS, number=NUMBERS)
@settings(max_examples=60)
def test_a_script_is_a_sound_timetable(split: Split, seed: int, number: int) -> None:
    script = draw_script(split, seed=seed, number=number)
    assert script.name == f"{split}-{seed}-{number:05d}"
    assert 2 <= len(script.events) <= 6
    assert script.shots[0].start_s == 0
    for shot, following in pairwise(script.shots):
        assert shot.end_s == following.start_s
    now = 0.0
    for event in script.events:
        shot = script.shot_at(event.start_s)
        assert shot.start_s <= event.start_s
        assert event.end_s <= shot.end_s
        assert now <= event.start_s
        assert SHORTEST_S - 1e-6 <= event.length_s <= LONGEST_S + 1e-6
        assert len(set(event.captions)) == PARAPHRASES
        now = event.end_s
    assert now <= script.duration_s <= now + 2.0 + 1e-6


@given(split=SPLITS, seed=SEEDS, number=NUMBERS)
@settings(max_examples=40)
def test_the_same_numbers_give_the_same_script(split: Split, seed: int, number: int) -> None:
    script = draw_script(split, seed=seed, number=number)
    assert script == draw_script(str(split), seed=seed, number=number)
    others = [
        draw_script(split, seed=seed, number=number + 1),
        draw_script(split, seed=seed + 1, number=number),
        *(draw_script(other, seed=seed, number=number) for other in Split if other is not split),
    ]
    drawn = [(other.shots, other.events) for other in (script, *others)]
    assert all(first != second for i, first in enumerate(drawn) for second in drawn[:i])


@given(split=st.sampled_from([Split.TRAIN, Split.VALIDATION]), seed=SEEDS, number=NUMBERS)
@settings(max_examples=80)
def test_only_test_videos_show_what_is_held_out(split: Split, seed: int, number: int) -> None:
    for event in draw_script(split, seed=seed, number=number).events:
        assert not event.held_out
        assert not is_held_out(event.actor.look, str(event.actor.action))


def test_about_half_of_the_test_events_are_held_out(many: list[Script]) -> None:
    events = [event for script in many for event in script.events]
    assert all(event.held_out == is_held_out(event.actor.look, str(event.actor.action)) for event in events)
    assert 0.4 < np.mean([event.held_out for event in events]) < 0.6
    assert {event.actor.look.shape for event in events} == set(SHAPES)
    assert min(Counter(event.actor.action for event in events).values()) > len(events) / len(ACTIONS) / 3


def test_every_fifth_video_has_a_moving_camera_in_turn(many: list[Script]) -> None:
    for number, script in enumerate(many):
        kinds = {shot.camera.kind for shot in script.shots}
        if number % 5 == 4:
            assert kinds == {MOVING_CAMERAS[number // 5 % 3]}
    assert [next(iter(s.shots)).camera.kind for s in many[4:20:5]] == ["pan", "zoom", "handheld", "pan"]
    others = Counter(shot.camera.kind for n, s in enumerate(many) if n % 5 != 4 for shot in s.shots)
    assert others["static"] > others.total() / 2
    assert len(others) == 5


def test_about_half_of_the_videos_are_cut(many: list[Script]) -> None:
    shots = [len(script.shots) for script in many]
    assert 0.35 < np.mean([count > 1 for count in shots]) < 0.65
    assert all(count in (1, len(s.events)) for count, s in zip(shots, many, strict=True))


def test_a_pair_comes_twice_only_in_another_action_right_after(many: list[Script]) -> None:
    again = 0
    for script in many:
        for place, event in enumerate(script.events):
            earlier = [pair(other) for other in script.events[:place]]
            if pair(event) in earlier:
                before = script.events[place - 1]
                assert event.actor.look == before.actor.look
                assert event.actor.action != before.actor.action
                again += 1
    assert again > 20


def test_paths_stay_in_the_middle_square(many: list[Script]) -> None:
    centre, body = 0.0, 0.0
    for event in (event for script in many for event in script.events):
        for part in np.linspace(0, 1, 21):
            pose = event.actor.pose(float(part) * event.length_s, event.length_s)
            far = max(abs(pose.x), abs(pose.y))
            centre, body = max(centre, far), max(body, far + pose.radius)
    assert 0.5 < centre < 0.7
    assert 0.9 < body <= 1.05  # the largest ones touch the border of a square picture


def test_an_unknown_split_is_an_error() -> None:
    with pytest.raises(ValueError, match="'tset' is not a valid Split"):
        draw_script("tset", seed=0, number=0)


def pair(event: Event) -> tuple[str, str]:
    return event.actor.look.shape, event.actor.look.colour
