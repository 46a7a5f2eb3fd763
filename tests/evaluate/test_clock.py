"""The order of runs, and their times against the full encoder's."""

import pytest

from vidskim.evaluate.clock import shares_of_time, take_turns


def test_rounds_go_there_and_back_with_the_full_encoder_in_between() -> None:
    assert take_turns(3, rounds=2) == [0, 1, 2, 0, 2, 1, 0]
    assert take_turns(9, rounds=1) == [0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 0]
    assert take_turns(1, rounds=3) == [0]


def test_a_machine_that_slows_down_changes_no_share() -> None:
    order = take_turns(3, rounds=2)
    shares = shares_of_time(order, [10.0, 5.0, 2.0, 10.0, 20.0, 50.0, 190.0])
    assert shares[0] == [1.0, 1.0, 1.0]
    assert shares[1] == pytest.approx([0.5, 0.5])
    assert shares[2] == pytest.approx([0.2, 0.2])
