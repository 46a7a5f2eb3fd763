"""What people might write about an event: templates filled from synonyms, so that one event has many captions."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from vidskim.synth.vocabulary import Look

Choice = TypeVar("Choice")

NOUNS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "ring": ("ring", "hoop"),
    "cross": ("cross", "plus sign"),
    "diamond": ("diamond", "rhombus"),
    "crescent": ("crescent", "half moon"),
    "hexagon": ("hexagon",),
    "arrow": ("arrow",),
    "bar": ("bar", "stick"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "purple": ("purple", "violet"),
    "turquoise": ("turquoise", "cyan"),
}
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized",),
    "large": ("large", "big", "huge"),
}
# Verb as in "it ...", and as in "we see it ...".
VERBS: dict[str, tuple[tuple[str, str], ...]] = {
    "moves left": (
        ("moves to the left", "moving to the left"),
        ("slides left", "sliding left"),
        ("travels from right to left", "travelling from right to left"),
    ),
    "moves right": (
        ("moves to the right", "moving to the right"),
        ("slides right", "sliding right"),
        ("travels from left to right", "travelling from left to right"),
    ),
    "moves up": (("moves up", "moving up"), ("rises", "rising"), ("floats upwards", "floating upwards")),
    "moves down": (("moves down", "moving down"), ("sinks", "sinking"), ("falls slowly", "falling slowly")),
    "spins clockwise": (("spins clockwise", "spinning clockwise"), ("turns clockwise", "turning clockwise")),
    "spins counterclockwise": (
        ("spins counterclockwise", "spinning counterclockwise"),
        ("turns counterclockwise", "turning counterclockwise"),
    ),
    "grows": (("grows", "growing"), ("gets bigger", "getting bigger")),
    "shrinks": (("shrinks", "shrinking"), ("gets smaller", "getting smaller")),
    "blinks": (("blinks", "blinking"), ("flashes on and off", "flashing on and off")),
    "bounces": (("bounces", "bouncing"), ("jumps up and down", "jumping up and down")),
    "orbits": (("goes round in a circle", "going round in a circle"), ("circles around", "circling around")),
    "appears": (("appears", "appearing"), ("fades in", "fading in")),
    "disappears": (("disappears", "disappearing"), ("fades out", "fading out")),
}
PLACES: dict[str, tuple[str, ...]] = {
    "plain": ("on a plain background",),
    "stripes": ("on a striped background", "in front of stripes"),
    "checks": ("on a checkered background", "in front of checks"),
    "dots": ("on a dotted background", "in front of dots"),
    "waves": ("on a wavy background", "in front of waves"),
    "clouds": ("on a cloudy background", "in front of clouds"),
}
# {it} is "a small red star", {does} "moves up", {doing} "moving up".
TEMPLATES = (
    "{it} {does}",
    "{it} {doing}",
    "there is {it} {doing}",
    "we see {it} {doing}",
    "{it} that {does}",
    "{it} can be seen {doing}",
)
EMPTY = ("nothing", "nothing to see", "an empty scene")
SIZE_SHARE, PLACE_SHARE = 0.6, 0.3  # of captions that name size and background


def write_caption(look: Look, action: str, pattern: str, generator: np.random.Generator) -> str:
    """One caption of an event: always shape, colour and action, often the size, at times the background.

    Args:
        look: of the actor.
        action: what it does.
        pattern: of the background.
        generator: decides the wording.
    """
    does, doing = _pick(VERBS[action], generator)
    it = write_phrase(look, generator)
    text = _pick(TEMPLATES, generator).format(it=it, does=does, doing=doing)
    return f"{text} {_pick(PLACES[pattern], generator)}" if generator.random() < PLACE_SHARE else text


def write_paraphrases(
    look: Look, action: str, pattern: str, generator: np.random.Generator, *, count: int
) -> tuple[str, ...]:
    """`count` captions of one event, no two alike."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[write_caption(look, action, pattern, generator)] = None
    return tuple(found)


def write_phrase(look: Look, generator: np.random.Generator) -> str:
    """The actor alone, such as "a small red star" or "a star in red"."""
    noun = _pick(NOUNS[look.shape], generator)
    colour = _pick(COLOUR_WORDS.get(look.colour, (look.colour,)), generator)
    size = f"{_pick(SIZE_WORDS[look.size], generator)} " if generator.random() < SIZE_SHARE else ""
    if generator.random() < 0.2:
        return _with_article(f"{size}{noun} in {colour}")
    return _with_article(f"{size}{colour} {noun}")


def write_nothing(pattern: str, generator: np.random.Generator) -> str:
    """A caption of a moment without any actor."""
    return f"{_pick(EMPTY, generator)} {_pick(PLACES[pattern], generator)}"


def all_phrases() -> list[str]:
    """Every phrase the captions are made from, in a fixed order: what a tokenizer has to know."""
    tables: Sequence[dict[str, tuple[str, ...]]] = (NOUNS, COLOUR_WORDS, SIZE_WORDS, PLACES)
    phrases = [phrase for table in tables for words in table.values() for phrase in words]
    phrases += EMPTY
    phrases += [form for verbs in VERBS.values() for verb in verbs for form in verb]
    return phrases + [template.format(it="a an", does="", doing="") for template in TEMPLATES]


def _with_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _pick(choices: Sequence[Choice], generator: np.random.Generator) -> Choice:
    return choices[int(generator.integers(len(choices)))]
