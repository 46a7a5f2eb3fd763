"""Foreign texts: varied, and never a caption of the world."""

import numpy as np

from vidskim.synth.captions import NOUNS
from vidskim.train.foreign import WORDS, write_foreign


def test_texts_are_varied_and_follow_from_the_generator() -> None:
    first, again = (
        [write_foreign(generator) for _ in range(500)] for generator in map(np.random.default_rng, (0, 0))
    )
    assert first == again
    assert len(set(first)) > 480
    assert all(text == text.strip() and "  " not in text for text in first)


def test_no_text_names_a_shape() -> None:
    nouns = {noun for names in NOUNS.values() for noun in names}
    assert nouns.isdisjoint(WORDS)
    generator = np.random.default_rng(1)
    words = {word for _ in range(3000) for word in write_foreign(generator).split()}
    assert {"disc", "triangle", "hexagon", "crescent", "rhombus"}.isdisjoint(words)
    assert {"red", "moves", "horse"} <= words  # what is known about unknown things is among them
