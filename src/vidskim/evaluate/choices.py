"""Which methods are compared: names and settings that are tried, each method with those it has."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any


def combine(
    methods: Sequence[str],
    settings: Mapping[str, Sequence[object]],
    *,
    owned: Mapping[str, Collection[str]],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every method with every choice of values; some may come more than once.

    Args:
        methods: names.
        settings: values that each method which has the setting is tried with, such as {"r": (32, 48)}.
        owned: settings that each method has. A setting that none has is given to all, so that they refuse it.

    Yields:
        A name and settings.
    """
    every = {setting for name in methods for setting in owned.get(name, ())}
    for values in product(*settings.values()):
        choice = dict(zip(settings, values, strict=True))
        for name in methods:
            mine = owned.get(name, ())
            yield name, {key: value for key, value in choice.items() if key in mine or key not in every}
