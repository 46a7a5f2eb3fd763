"""Times that compare on a machine that others use too: each run is held against the full encoder's runs around it."""

from collections.abc import Sequence

import numpy as np

REFERENCE = 0  # number of the full encoder
STRIDE = 6  # other runs between two of the full encoder


def take_turns(settings: int, *, rounds: int) -> list[int]:
    """Which setting runs when: all in each round, every second round backwards, the full encoder every few runs.

    Args:
        settings: how many, the full encoder among them.
        rounds: 1 or more.
    """
    order = [REFERENCE]
    for number in range(rounds):
        others = [setting for setting in range(settings) if setting != REFERENCE][:: -1 if number % 2 else 1]
        for start in range(0, len(others), STRIDE):
            order += [*others[start : start + STRIDE], REFERENCE]
    return order


def shares_of_time(order: Sequence[int], seconds: Sequence[float]) -> dict[int, list[float]]:
    """Each run's time over the mean of the full encoder's runs before and after it.

    Args:
        order: as `take_turns` gives it: it begins and ends with the full encoder.
        seconds: of each run.

    Returns:
        Setting -> one share for each round; the full encoder's are 1.
    """
    places = np.flatnonzero(np.array(order) == REFERENCE)
    shares: dict[int, list[float]] = {}
    for place, (setting, spent) in enumerate(zip(order, seconds, strict=True)):
        if setting == REFERENCE:
            shares.setdefault(setting, []).append(1.0)
            continue
        after = int(np.searchsorted(places, place))
        around = seconds[places[after - 1]] + seconds[places[after]]
        shares.setdefault(setting, []).append(2 * spent / around)
    return shares
