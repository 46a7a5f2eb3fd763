"""Short videos of one action each: what a classifier of actions learns from, and is asked.

Which action it is shows only in time: every look, place and background comes with every action.
"""

import numpy as np
from numpy.typing import NDArray

from vidskim.synth.draw import draw_event, draw_shot
from vidskim.synth.render import render_moments
from vidskim.synth.script import Script
from vidskim.synth.vocabulary import ACTIONS, Split

# 16 frames, every fourth at 15 a second, just fit into the shortest.
SHORTEST_S, LONGEST_S = 4.3, 5.3
_STREAMS = {Split.TRAIN: 21, Split.VALIDATION: 22, Split.TEST: 23}


def draw_action(split: Split | str, *, seed: int, number: int) -> Script:
    """Video `number` of a split: one event from its first frame to its last, before a camera that stands still.

    In the test split about half of the events are combinations that no other split shows.

    Args:
        split: where combinations and random stream come from.
        seed: of the whole collection.
        number: of the video, from 0.
    """
    split = Split(split)
    generator = np.random.default_rng([_STREAMS[split], seed, number])
    length = float(generator.uniform(SHORTEST_S, LONGEST_S))
    shot = draw_shot(generator, start_s=0.0, end_s=length, camera="static")
    event = draw_event(generator, split, shot, start_s=0.0, end_s=length, before=[])
    return Script(f"{split}-action-{seed}-{number:05d}", (shot,), (event,))


def action_number(script: Script) -> int:
    """The class of a video of `draw_action`: the place of its action in `ACTIONS`."""
    return ACTIONS.index(str(script.events[0].actor.action))


def render_action(
    script: Script, *, frames: int, side: int, start: float = 0.0, stop: float = 1.0
) -> NDArray[np.uint8]:
    """Frames evenly spread over a part of a video, from the middles of equal stretches: uint8 [t, y, x, 3].

    Args:
        script: of `draw_action`.
        frames: how many.
        side: of the square picture in pixels.
        start: of the part, as a share of the video.
        stop: end of the part, likewise.
    """
    shares = start + (stop - start) * (np.arange(frames) + 0.5) / frames
    return np.stack(list(render_moments(script, shares * script.duration_s, height=side, width=side)))
