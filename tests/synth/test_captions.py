"""Captions say what is shown, in sound English."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidskim.synth.captions import (
    COLOUR_WORDS,
    NOUNS,
    PLACES,
    SIZE_WORDS,
    VERBS,
    all_phrases,
    write_caption,
    write_nothing,
    write_paraphrases,
    write_phrase,
)
from vidskim.synth.vocabulary import ACTIONS, COLOURS, PATTERNS, SHAPES, SIZES, Look

LOOKS = st.builds(Look, st.sampled_from(SHAPES), st.sampled_from(list(COLOURS)), st.sampled_from(list(SIZES)))
COMMON = {
    "action": st.sampled_from(ACTIONS),
    "pattern": st.sampled_from(PATTERNS),
    "seed": st.integers(0, 2**32),
}


def says(text: str, phrases: tuple[str, ...]) -> bool:
    return any(f" {phrase} " in f" {text} " for phrase in phrases)


def check_english(text: str) -> None:
    assert text == " ".join(text.split())
    assert re.fullmatch(r"[a-z][a-z -]*[a-z]", text)
    for article, letter in re.findall(r"\b(an?) ([a-z])", text):
        assert article == ("an" if letter in "aeiou" else "a"), text


def test_everything_has_words_and_no_word_has_two_meanings() -> None:
    assert set(NOUNS) == set(SHAPES)
    assert set(VERBS) == set(ACTIONS)
    assert set(SIZE_WORDS) == set(SIZES)
    assert set(PLACES) == set(PATTERNS)
    assert set(COLOUR_WORDS) <= set(COLOURS)
    colours = [word for name in COLOURS for word in COLOUR_WORDS.get(name, (name,))]
    for table in (NOUNS, SIZE_WORDS, PLACES):
        words = [word for synonyms in table.values() for word in synonyms]
        assert len(set(words)) == len(words)
    forms = [form for verbs in VERBS.values() for verb in verbs for form in verb]
    assert len(set(forms)) == len(forms)
    assert len(set(colours)) == len(colours)


@given(look=LOOKS, **COMMON)
@settings(max_examples=120)
def test_a_caption_names_shape_colour_and_action_and_nothing_wrong(
    look: Look, action: str, pattern: str, seed: int
) -> None:
    text = write_caption(look, action, pattern, np.random.default_rng(seed))
    check_english(text)
    assert says(text, NOUNS[look.shape])
    assert says(text, COLOUR_WORDS.get(look.colour, (look.colour,)))
    assert says(text, tuple(form for verb in VERBS[action] for form in verb))
    assert not any(says(text, SIZE_WORDS[size]) for size in SIZES if size != look.size)
    assert not any(says(text, PLACES[other]) for other in PATTERNS if other != pattern)
    wrong = [name for name in COLOURS if name != look.colour]
    assert not any(says(text, COLOUR_WORDS.get(name, (name,))) for name in wrong)


@given(look=LOOKS, **COMMON)
@settings(max_examples=40)
def test_no_two_paraphrases_are_alike(look: Look, action: str, pattern: str, seed: int) -> None:
    texts = write_paraphrases(look, action, pattern, np.random.default_rng(seed), count=6)
    assert len(set(texts)) == len(texts) == 6
    assert texts == write_paraphrases(look, action, pattern, np.random.default_rng(seed), count=6)


def test_wordings_vary_as_said() -> None:
    look = Look("circle", "purple", "large")
    generator = np.random.default_rng(0)
    texts = [write_caption(look, "moves up", "dots", generator) for _ in range(600)]
    assert 0.5 < np.mean([says(text, SIZE_WORDS["large"]) for text in texts]) < 0.7
    assert 0.2 < np.mean([says(text, PLACES["dots"]) for text in texts]) < 0.4
    assert len(set(texts)) > 300
    for word in (*NOUNS["circle"], *COLOUR_WORDS["purple"], *SIZE_WORDS["large"], *PLACES["dots"]):
        assert any(says(text, (word,)) for text in texts), word


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (Look("circle", "orange", "medium"), {"an orange circle", "an orange disc"}),
        (Look("arrow", "orange", "small"), {"an arrow in orange", "a tiny orange arrow"}),
        (Look("arrow", "red", "large"), {"an arrow in red", "a red arrow", "a big arrow in red"}),
        (Look("hexagon", "blue", "medium"), {"a medium-sized blue hexagon", "a hexagon in blue"}),
    ],
)
def test_articles_follow_the_word_after_them(look: Look, expected: set[str]) -> None:
    generator = np.random.default_rng(0)
    found = {write_phrase(look, generator) for _ in range(400)}
    assert expected <= found
    for phrase in found:
        check_english(phrase)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_nothing_is_said_with_its_place(pattern: str) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        text = write_nothing(pattern, generator)
        check_english(text)
        assert says(text, PLACES[pattern])
        assert not any(says(text, nouns) for nouns in NOUNS.values())


def test_all_phrases_hold_every_word_of_every_caption() -> None:
    phrases = all_phrases()
    assert phrases == all_phrases()
    known = {word for phrase in phrases for word in phrase.split()}
    known |= set(COLOURS) | {"in"}
    generator = np.random.default_rng(0)
    for shape, colour in product(SHAPES, COLOURS):
        for action in ACTIONS:
            text = write_caption(Look(shape, colour, "medium"), action, "waves", generator)
            assert set(text.split()) <= known, set(text.split()) - known
