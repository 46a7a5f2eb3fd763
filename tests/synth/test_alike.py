"""Videos that differ in what is done only."""

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.synth.alike import FPS, draw_alike, render_spread
from vidskim.synth.render import render_frame
from vidskim.synth.vocabulary import ACTIONS, Split, is_held_out


def draw(split: Split, *, looks: int, each: int, seed: int = 0) -> list[tuple[str, str, str]]:
    scripts = draw_alike(split, np.random.default_rng(seed), looks=looks, each=each)
    return [
        (
            script.events[0].actor.look.shape,
            script.events[0].actor.look.colour,
            str(script.events[0].actor.action),
        )
        for script in scripts
    ]


def test_each_actor_does_each_thing_once() -> None:
    drawn = draw(Split.TEST, looks=5, each=len(ACTIONS))
    actors = [(shape, colour) for shape, colour, _ in drawn]
    assert len(set(actors)) == 5
    for first in range(0, len(drawn), len(ACTIONS)):
        group = drawn[first : first + len(ACTIONS)]
        assert len({(shape, colour) for shape, colour, _ in group}) == 1
        assert {action for *_, action in group} == set(ACTIONS)


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALIDATION])
def test_held_out_combinations_are_for_tests(split: Split) -> None:
    scripts = draw_alike(split, np.random.default_rng(1), looks=40, each=8)
    assert not any(
        is_held_out(script.events[0].actor.look, str(script.events[0].actor.action)) for script in scripts
    )
    assert any(
        script.events[0].held_out for script in draw_alike("test", np.random.default_rng(1), looks=8, each=8)
    )


def test_the_generator_decides() -> None:
    assert draw(Split.TRAIN, looks=3, each=4) == draw(Split.TRAIN, looks=3, each=4)
    assert draw(Split.TRAIN, looks=3, each=4) != draw(Split.TRAIN, looks=3, each=4, seed=1)


@pytest.mark.parametrize(("looks", "each"), [(2, 14), (121, 1)])
def test_more_than_there_are_is_refused(looks: int, each: int) -> None:
    with pytest.raises(SettingsError, match=f"has not {looks} actors with {each} actions"):
        draw_alike(Split.TEST, np.random.default_rng(0), looks=looks, each=each)


def test_frames_are_spread_over_the_whole_video() -> None:
    (script,) = draw_alike(Split.TRAIN, np.random.default_rng(3), looks=1, each=1)
    frames = render_spread(script, frames=5, side=32)
    last = (round(script.duration_s * FPS) - 1) / FPS
    assert frames.shape == (5, 32, 32, 3)
    assert np.array_equal(frames[0], render_frame(script, 0.0, height=32, width=32))
    assert np.array_equal(frames[-1], render_frame(script, last, height=32, width=32))
