"""Scripts by chance: the same split, seed and number give the same video, whatever was drawn before it."""

from dataclasses import replace
from math import exp, log, pi, tau

import numpy as np

from vidskim.synth.captions import write_paraphrases
from vidskim.synth.script import Actor, Background, Camera, Event, Script, Shot
from vidskim.synth.vocabulary import (
    ACTIONS,
    CAMERAS,
    COLOURS,
    PATTERNS,
    SHAPES,
    SIZES,
    Look,
    Split,
    is_held_out,
)

SHORTEST_S, LONGEST_S = 3.0, 10.0
PARAPHRASES = 4
# Every fifth video belongs to the moving-camera set: these cameras in turn.
MOVING_EVERY = 5
MOVING_CAMERAS = ("pan", "zoom", "handheld")
_CAMERA_SHARES = (0.6, 0.14, 0.1, 0.08, 0.08)  # of `CAMERAS`, in the other videos
_STREAMS = {Split.TRAIN: 1, Split.VALIDATION: 2, Split.TEST: 3}


def draw_script(split: Split | str, *, seed: int, number: int) -> Script:
    """Video `number` of a split.

    Two to six events of 3 to 10 s (log-uniform), half of the videos with a cut before each event. In the test split
    about half of the events are combinations that no other split shows.

    Args:
        split: where combinations and random stream come from.
        seed: of the whole collection.
        number: of the video, from 0.
    """
    split = Split(split)
    generator = np.random.default_rng([_STREAMS[split], seed, number])
    camera = MOVING_CAMERAS[number // MOVING_EVERY % 3] if number % MOVING_EVERY == MOVING_EVERY - 1 else None
    cuts = bool(generator.random() < 0.5)
    count = int(generator.integers(2, 7))
    events: list[Event] = []
    shots: list[Shot] = []
    now = 0.0
    for place in range(count):
        gap = round(float(generator.uniform(0.6, 2.0)), 1) if generator.random() < 0.5 else 0.0
        length = round(exp(generator.uniform(log(SHORTEST_S), log(LONGEST_S))), 1)
        last = place == count - 1
        tail = round(float(generator.uniform(0.6, 2.0)), 1) if last and generator.random() < 0.5 else 0.0
        end = round(now + gap + length + tail, 1)
        if cuts or not shots:
            shots.append(draw_shot(generator, start_s=now, end_s=end, camera=camera))
        else:
            shots[-1] = replace(shots[-1], end_s=end)
        start = round(now + gap, 1)
        events.append(
            draw_event(
                generator, split, shots[-1], start_s=start, end_s=round(start + length, 1), before=events
            )
        )
        now = end
    return Script(f"{split}-{seed}-{number:05d}", tuple(shots), tuple(events))


def draw_shot(
    generator: np.random.Generator, *, start_s: float, end_s: float, camera: str | None = None
) -> Shot:
    """Background, camera, light and grain; one shot in five has a bystander."""
    kind = camera or str(generator.choice(CAMERAS, p=_CAMERA_SHARES))
    return Shot(
        start_s=start_s,
        end_s=end_s,
        background=_draw_background(generator),
        camera=_draw_camera(generator, kind),
        light=float(generator.uniform(0.03, 0.18)) if generator.random() < 0.3 else 0.0,
        grain=float(generator.uniform(1.0, 6.0)) if generator.random() < 0.5 else 0.0,
        bystander=draw_actor(generator, draw_look(generator), None) if generator.random() < 0.2 else None,
    )


def draw_event(
    generator: np.random.Generator,
    split: Split,
    shot: Shot,
    *,
    start_s: float,
    end_s: float,
    before: list[Event],
) -> Event:
    """Someone doing something.

    One event in six shows the actor of the one before it in another action: only time tells the two apart. Otherwise
    no pair of shape and colour comes twice in a video.
    """
    seen = {(event.actor.look.shape, event.actor.look.colour) for event in before}
    if shot.bystander is not None:
        seen.add((shot.bystander.look.shape, shot.bystander.look.colour))
    again = before[-1].actor if before and generator.random() < 1 / 6 else None
    wants_held_out = split is Split.TEST and generator.random() < 0.5
    while True:
        look = again.look if again else draw_look(generator)
        action = str(generator.choice(ACTIONS))
        held_out = is_held_out(look, action)
        if again:
            fits = action != again.action and (not held_out or split is Split.TEST)
            again = again if fits or generator.random() < 0.9 else None
        else:
            fits = held_out == wants_held_out and (look.shape, look.colour) not in seen
        if fits:
            break
    captions = write_paraphrases(look, action, shot.background.pattern, generator, count=PARAPHRASES)
    return Event(start_s, end_s, draw_actor(generator, look, action), captions, held_out)


def draw_look(generator: np.random.Generator) -> Look:
    shape, colour, size = (str(generator.choice(tuple(names))) for names in (SHAPES, COLOURS, SIZES))
    return Look(shape, colour, size)


def draw_actor(generator: np.random.Generator, look: Look, action: str | None) -> Actor:
    """A place from which its path stays in the middle square."""
    match action:
        case None:
            side = -1 if generator.random() < 0.5 else 1
            home = (side * generator.uniform(0.5, 0.7), generator.uniform(-0.6, 0.6))
            return Actor(look, None, (float(home[0]), float(home[1])), 0.0, _draw_angle(generator, look))
        case "moves left" | "moves right" | "moves up" | "moves down":
            reach, room = generator.uniform(0.7, 1.1), (0.08, 0.45)
        case "spins clockwise" | "spins counterclockwise":
            reach, room = generator.uniform(0.25, 0.6), (0.4, 0.4)
        case "blinks":
            reach, room = generator.uniform(0.8, 1.5), (0.4, 0.4)
        case "bounces":
            reach, room = generator.uniform(0.4, 0.7), (0.4, 0.15)
        case "orbits":
            reach, room = generator.uniform(0.5, 0.9), (0.12, 0.12)
        case _:
            reach, room = 0.0, (0.4, 0.4)
    if action in ("moves up", "moves down"):
        room = (room[1], room[0])
    home = (generator.uniform(-room[0], room[0]), generator.uniform(-room[1], room[1]))
    return Actor(look, action, (float(home[0]), float(home[1])), float(reach), _draw_angle(generator, look))


def _draw_angle(generator: np.random.Generator, look: Look) -> float:
    """Roughly upright: a square must not become a diamond; arrows may point anywhere."""
    return float(generator.uniform(0, tau) if look.shape == "arrow" else generator.uniform(-pi / 12, pi / 12))


def _draw_background(generator: np.random.Generator) -> Background:
    """Two muted colours, so that actors stand out."""
    grey = generator.uniform(60, 190)
    first, second = (
        tuple(float(value) for value in np.clip(grey + offset + generator.uniform(-28, 28, 3), 25, 230))
        for offset in (0.0, generator.uniform(20, 50) * generator.choice((-1, 1)))
    )
    return Background(
        pattern=str(generator.choice(PATTERNS)),
        colours=(first, second),  # type: ignore[arg-type]
        frequency=float(generator.uniform(6, 16)),
        angle=float(generator.uniform(0, pi)),
        noise=float(generator.uniform(2, 10)),
        seed=int(generator.integers(2**31)),
    )


def _draw_camera(generator: np.random.Generator, kind: str) -> Camera:
    phase = float(generator.uniform(0, tau))
    match kind:
        case "pan":
            turn, speed = generator.uniform(0, tau), generator.uniform(0.1, 0.45)
            return Camera(kind, (float(speed * np.cos(turn)), float(speed * np.sin(turn) / 3)), phase=phase)
        case "zoom":
            factor = float(generator.uniform(1.005, 1.02))
            return Camera(kind, (factor if generator.random() < 0.5 else 1 / factor, 1.0), phase=phase)
        case "shake":
            return Camera(kind, shake=float(generator.uniform(0.008, 0.03)), phase=phase)
        case "handheld":
            drift = generator.uniform(-0.06, 0.06, 2)
            shake = float(generator.uniform(0.015, 0.05))
            return Camera(kind, (float(drift[0]), float(drift[1])), shake=shake, phase=phase)
        case _:
            return Camera(kind)
