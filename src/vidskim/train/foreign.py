"""Texts about things the synthetic world does not have, so that a model can learn that they match nothing."""

import numpy as np

from vidskim.synth.captions import COLOUR_WORDS, SIZE_WORDS, VERBS
from vidskim.synth.vocabulary import COLOURS

_WORDS = """
airport animal apple baby bag ball balloon basket bath beach bed bench bicycle bird boat book bottle bowl
boy bread bridge brother bus butter cake camera candle car carpet castle chair cheese chicken child church
city cloth coat coffee computer cook cow crowd cup curtain dance desk dinner doctor door dress driver drum
egg elephant engine face farm father field film finger fire fish floor flower forest friend fruit game
garden girl glass goat grass guitar hair hammer hand hat hill horse hospital hotel house island jacket
kettle key kitchen knife ladder lake lamp leaf letter lion machine man market mirror money monkey mountain
mouse museum music needle newspaper night office orchard paper parade park party path pencil people phone
piano picture pig pillow plane plate player police pond potato queen rabbit rain restaurant rice river road
robot roof room rope sand school scissors sea sheep shelf ship shirt shoe shop singer sister snow soldier
song soup spoon stage stairs station stone street student sugar suit swimmer table tea teacher team tiger
toast tower town toy tractor train tree truck umbrella uncle village violin wall water wedding wheel window
winter wolf woman wood worker yard zebra
"""
_DOINGS = """
bakes bites breaks brings brushes builds buys calls carries catches chases cleans climbs closes cooks cries
cuts digs draws dreams drinks drives drops eats enters feeds fights fixes flies follows greets hides holds
hugs kicks laughs leaves lifts listens looks marries meets mixes opens paints parks peels plays pours pulls
pushes reads rides runs sells sews shouts sings sits skates sleeps smiles speaks stands stirs swims talks
teaches throws ties touches trains visits waits walks washes watches waves wears works writes
"""
WORDS, DOINGS = tuple(_WORDS.split()), tuple(_DOINGS.split())
JOINTS = (
    "in the",
    "on a",
    "with the",
    "near a",
    "behind the",
    "for a",
    "under the",
    "and a",
    "of the",
    "at the",
)
LETTERS = "eeeeeetttttaaaaooooiiiinnnnsssshhhrrrrddllluuccmmwwffggyyppbbvkjxqz"


def write_foreign(generator: np.random.Generator) -> str:
    """One text: everyday words, made-up words, or a caption of the world with a foreign noun."""
    kind = generator.random()
    if kind < 0.35:
        return _everyday(generator)
    if kind < 0.65:
        return " ".join(_made_up(generator) for _ in range(generator.integers(1, 8)))
    noun = _pick(WORDS, generator) if generator.random() < 0.5 else _made_up(generator)
    return _almost(noun, generator)


def _everyday(generator: np.random.Generator) -> str:
    """ "a horse runs in the garden", "river", "two teachers near a bus"."""
    text = f"{_pick(('a', 'the', 'two', 'someone and a', 'one', 'my'), generator)} {_pick(WORDS, generator)}"
    if generator.random() < 0.15:
        return _pick(WORDS, generator)
    if generator.random() < 0.7:
        text += f" {_pick(DOINGS, generator)}"
    for _ in range(generator.integers(0, 3)):
        text += f" {_pick(JOINTS, generator)} {_pick(WORDS, generator)}"
    return text


def _almost(noun: str, generator: np.random.Generator) -> str:
    """A caption as the world has them, about something it has not."""
    colour = _pick(tuple(COLOURS), generator)
    colour = _pick(COLOUR_WORDS.get(colour, (colour,)), generator)
    size = _pick([word for words in SIZE_WORDS.values() for word in words], generator)
    verbs = [form for forms in VERBS.values() for verb in forms for form in verb]
    words = [
        "a",
        *([size] if generator.random() < 0.4 else []),
        *([colour] if generator.random() < 0.6 else []),
    ]
    return " ".join([*words, noun, *([_pick(verbs, generator)] if generator.random() < 0.6 else [])])


def _made_up(generator: np.random.Generator) -> str:
    """A word of 2 to 9 letters, each about as often as in English."""
    return "".join(_pick(LETTERS, generator) for _ in range(generator.integers(2, 10)))


def _pick(choices: "tuple[str, ...] | list[str] | str", generator: np.random.Generator) -> str:
    return choices[int(generator.integers(len(choices)))]
