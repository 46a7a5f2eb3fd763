"""Methods times values, each with what it has."""

from vidskim.evaluate.choices import combine

OWNED = {"a": ("r", "seed"), "b": ("r",), "c": ()}


def test_each_takes_what_it_has() -> None:
    found = list(combine(("a", "b", "c"), {"r": (1, 2), "seed": (0,)}, owned=OWNED))
    assert found == [
        ("a", {"r": 1, "seed": 0}),
        ("b", {"r": 1}),
        ("c", {}),
        ("a", {"r": 2, "seed": 0}),
        ("b", {"r": 2}),
        ("c", {}),
    ]
    assert list(combine(("c",), {}, owned=OWNED)) == [("c", {})]


def test_what_none_has_is_given_to_all() -> None:
    assert list(combine(("a", "unknown"), {"s": (1,)}, owned=OWNED)) == [
        ("a", {"s": 1}),
        ("unknown", {"s": 1}),
    ]
