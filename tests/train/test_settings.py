"""Settings are checked when made, and know which of them decide what comes out."""

import json
import re
from dataclasses import replace

import pytest

from vidskim.errors import SettingsError
from vidskim.train.settings import FREE, LoopSettings

GOOD = LoopSettings(steps=10, learning_rate=0.1)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("steps", 0, "a whole number from 1"),
        ("steps", 2.0, "a whole number from 1"),
        ("steps", True, "a whole number from 1"),
        ("accumulate", -1, "a whole number from 1"),
        ("checkpoint_every", 0, "a whole number from 1"),
        ("log_every", 0, "a whole number from 1"),
        ("warmup_steps", -1, "a whole number from 0"),
        ("warmup_steps", 11, "at most steps (10)"),
        ("workers", -1, "a whole number from 0"),
        ("seed", "one", "a whole number from 0"),
        ("learning_rate", 0.0, "a number above 0"),
        ("learning_rate", float("nan"), "a number above 0"),
        ("learning_rate", "fast", "a number above 0"),
        ("eps", 0, "a number above 0"),
        ("clip_norm", 0.0, "a number above 0, or None"),
        ("final_fraction", 1.5, "a number from 0 to 1"),
        ("weight_decay", -0.1, "a number from 0"),
        ("weight_decay", float("inf"), "a number from 0"),
        ("betas", (0.9,), "two numbers from 0 to below 1"),
        ("betas", (0.9, 1.0), "two numbers from 0 to below 1"),
        ("precision", "float16", "one of auto, float32, bfloat16"),
        ("device", 0, 'text such as "auto", "cpu" or "cuda"'),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: object, allowed: str) -> None:
    message = f"{name}: expected {allowed}, received {value!r}"
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        replace(GOOD, **{name: value})


def test_the_edges_are_allowed() -> None:
    replace(GOOD, warmup_steps=10, final_fraction=1, weight_decay=0, clip_norm=None, betas=(0, 0), workers=0)


def test_fixed_settings_are_what_json_gives_back() -> None:
    fixed = GOOD.fixed()
    assert json.loads(json.dumps(fixed)) == fixed
    assert set(fixed).isdisjoint(FREE)
    assert {"steps", "learning_rate", "seed", "precision"} <= set(fixed)


def test_free_settings_change_nothing_that_is_fixed() -> None:
    other = replace(GOOD, workers=7, device="cpu", checkpoint_every=1, log_every=1)
    assert other.fixed() == GOOD.fixed()
    assert replace(GOOD, seed=1).fixed() != GOOD.fixed()
