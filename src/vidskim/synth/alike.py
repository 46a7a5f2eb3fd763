"""Short videos that differ in what is done, not in who does it: what tells them apart is in no single frame."""

import numpy as np
from numpy.typing import NDArray

from vidskim.errors import SettingsError
from vidskim.synth.actions import LONGEST_S, SHORTEST_S
from vidskim.synth.captions import write_paraphrases
from vidskim.synth.draw import PARAPHRASES, draw_actor, draw_look, draw_shot
from vidskim.synth.render import render_moments
from vidskim.synth.script import Event, Script
from vidskim.synth.vocabulary import ACTIONS, Look, Split, is_held_out

FPS = 15.0  # of the videos whose frames are drawn


def draw_alike(split: Split | str, generator: np.random.Generator, *, looks: int, each: int) -> list[Script]:
    """Videos of one event: `looks` actors, no two of one shape and colour, and each in `each` different actions.

    Background, place and length are drawn anew for every video; the camera stands still.

    Args:
        split: whose combinations; in the test split any.
        generator: decides.
        looks: how many actors.
        each: videos of each actor, those of one actor follow each other.

    Raises:
        SettingsError: more actors or actions than there are.
    """
    split, scripts = Split(split), list[Script]()
    taken: set[tuple[str, str]] = set()
    for _ in range(100 * looks):
        if len(scripts) == looks * each:
            return scripts
        look = draw_look(generator)
        actions = [action for action in ACTIONS if split is Split.TEST or not is_held_out(look, action)]
        if (look.shape, look.colour) in taken or len(actions) < each:
            continue
        taken.add((look.shape, look.colour))
        chosen = generator.permutation(len(actions))[:each]
        scripts += [_draw_video(split, generator, look, actions[place]) for place in chosen]
    if len(scripts) == looks * each:
        return scripts
    raise SettingsError(f"the world has not {looks} actors with {each} actions each; ask for fewer")


def _draw_video(split: Split, generator: np.random.Generator, look: Look, action: str) -> Script:
    length = float(generator.uniform(SHORTEST_S, LONGEST_S))
    shot = draw_shot(generator, start_s=0.0, end_s=length, camera="static")
    captions = write_paraphrases(look, action, shot.background.pattern, generator, count=PARAPHRASES)
    event = Event(
        0.0, length, draw_actor(generator, look, action), captions, held_out=is_held_out(look, action)
    )
    return Script(f"{split}-alike", (shot,), (event,))


def render_spread(script: Script, *, frames: int, side: int) -> NDArray[np.uint8]:
    """Frames spread evenly over a whole video, the first and the last among them: uint8 [t, y, x, 3].

    Args:
        script: of a video.
        frames: how many; a video that has fewer repeats some.
        side: of the square picture in pixels.
    """
    count = max(1, round(script.duration_s * FPS))
    moments = np.linspace(0, count - 1, frames).astype(np.int64) / FPS
    return np.stack(list(render_moments(script, moments, height=side, width=side)))
