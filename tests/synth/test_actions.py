"""Videos of one action each: deterministic, whole, and told apart by time alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from vidskim.synth.actions import LONGEST_S, SHORTEST_S, action_number, draw_action, render_action
from vidskim.synth.render import render_frame
from vidskim.synth.vocabulary import ACTIONS, Split, is_held_out


def test_a_video_is_one_action_from_start_to_end() -> None:
    for number in range(40):
        script = draw_action("train", seed=3, number=number)
        (shot,), (event,) = script.shots, script.events
        assert SHORTEST_S <= script.duration_s <= LONGEST_S
        assert (event.start_s, event.end_s) == (shot.start_s, shot.end_s) == (0.0, script.duration_s)
        assert not shot.camera.moves
        assert ACTIONS[action_number(script)] == event.actor.action
        assert not is_held_out(event.actor.look, str(event.actor.action))


def test_the_same_numbers_give_the_same_video_and_others_another() -> None:
    script = draw_action(Split.TEST, seed=1, number=5)
    assert script == draw_action("test", seed=1, number=5)
    assert script.name == "test-action-1-00005"
    for other in (draw_action("test", seed=1, number=6), draw_action("validation", seed=1, number=5)):
        assert other.events != script.events


def test_all_actions_are_drawn_and_half_of_the_test_is_held_out() -> None:
    scripts = [draw_action("test", seed=0, number=number) for number in range(260)]
    counts = Counter(map(action_number, scripts))
    assert set(counts) == set(range(len(ACTIONS)))
    assert max(counts.values()) < 3 * min(counts.values())
    assert 0.35 < np.mean([script.events[0].held_out for script in scripts]) < 0.65


def test_frames_are_the_middles_of_equal_stretches() -> None:
    script = draw_action("train", seed=0, number=0)
    clip = render_action(script, frames=4, side=32)
    assert clip.shape == (4, 32, 32, 3)
    assert clip.dtype == np.uint8
    for place, share in enumerate((0.125, 0.375, 0.625, 0.875)):
        expected = render_frame(script, share * script.duration_s, height=32, width=32)
        assert (clip[place] == expected).all()
    part = render_action(script, frames=1, side=32, start=0.5, stop=0.75)
    assert (part[0] == clip[2]).all()


@pytest.mark.parametrize(
    "pair", [("moves left", "moves right"), ("moves up", "moves down"), ("grows", "shrinks")]
)
def test_opposite_actions_are_each_other_played_backwards(pair: tuple[str, str]) -> None:
    """So no single frame tells them apart, and no set of frames without its order."""
    forth, back = pair
    script = next(
        found
        for found in (draw_action("train", seed=0, number=number) for number in range(400))
        if found.events[0].actor.action == forth and not found.shots[0].grain and not found.shots[0].light
    )
    event = script.events[0]
    reverse = replace(script, events=(replace(event, actor=replace(event.actor, action=back)),))
    clip, other = (render_action(each, frames=8, side=48) for each in (script, reverse))
    assert np.abs(clip.astype(int) - other[::-1].astype(int)).max() <= 1
    assert np.abs(clip.astype(int) - other.astype(int)).max() > 50
