"""What is held out, and what stays known."""

from itertools import product

import pytest

from vidskim.synth.shapes import SIGNED_DISTANCE
from vidskim.synth.vocabulary import ACTIONS, COLOURS, SHAPES, SIZES, Look, Split, is_held_out

PAIRS = list(product(SHAPES, COLOURS))


def held_out_actions(shape: str, colour: str) -> list[str]:
    return [action for action in ACTIONS if is_held_out(Look(shape, colour, "small"), action)]


def test_names_are_distinct_and_every_shape_can_be_drawn() -> None:
    names = [*SHAPES, *COLOURS, *ACTIONS]
    assert len(set(names)) == len(names) == 12 + 10 + 13
    assert set(SIGNED_DISTANCE) == set(SHAPES)
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert 0 < SIZES["small"] < SIZES["medium"] < SIZES["large"] < 0.5


def test_ten_pairs_are_held_out_whatever_they_do() -> None:
    whole = [pair for pair in PAIRS if held_out_actions(*pair) == list(ACTIONS)]
    assert len(whole) == 10
    assert len({shape for shape, _ in whole}) == 10
    assert {colour for _, colour in whole} == set(COLOURS)


def test_of_the_other_pairs_one_or_two_actions_are_held_out() -> None:
    counts = [len(held_out_actions(*pair)) for pair in PAIRS]
    assert set(counts) == {1, 2, len(ACTIONS)}
    assert counts.count(len(ACTIONS)) == 10


def test_every_word_is_known_in_every_action() -> None:
    for action in ACTIONS:
        known = [pair for pair in PAIRS if action not in held_out_actions(*pair)]
        assert {shape for shape, _ in known} == set(SHAPES)
        assert {colour for _, colour in known} == set(COLOURS)


@pytest.mark.parametrize("action", ACTIONS)
def test_size_decides_nothing(action: str) -> None:
    for shape, colour in PAIRS:
        assert len({is_held_out(Look(shape, colour, size), action) for size in SIZES}) == 1


def test_splits_are_named_as_on_the_command_line() -> None:
    assert [str(split) for split in Split] == ["train", "validation", "test"]
