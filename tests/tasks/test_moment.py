"""The record other people's scripts read."""

import math

import pytest

from vidskim.errors import SettingsError
from vidskim.tasks.moment import Moment


def test_length_is_end_minus_start() -> None:
    assert Moment(1.5, 4.0, 0.3).length_s == 2.5
    assert Moment(2.0, 2.0, -0.1).length_s == 0.0


def test_it_ends_after_its_start() -> None:
    with pytest.raises(SettingsError, match=r"at or after its start, received 4\.0 to 1\.5 s"):
        Moment(4.0, 1.5, 0.3)


@pytest.mark.parametrize("values", [(math.nan, 1.0, 0.0), (0.0, math.inf, 0.0), (0.0, 1.0, math.nan)])
def test_values_are_finite(values: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError, match=r"must be finite, received (nan|inf)"):
        Moment(*values)
