"""Recipes, and what a distillation refuses."""

from pathlib import Path
from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.train.optimizer import learning_rate_at
from vidskim.train.recipe import Distillation, find_recipe


def test_the_papers_recipe_is_as_published() -> None:
    recipe = find_recipe("paper")
    loop = recipe.loop
    assert (recipe.depth, loop.learning_rate, loop.betas, loop.eps) == (1, 5e-4, (0.9, 0.98), 1e-6)
    assert (loop.weight_decay, loop.warmup_steps, loop.clip_norm) == (0.0, 0, None)
    assert {learning_rate_at(step, loop) for step in (0, 1, loop.steps - 1)} == {5e-4}


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"unknown recipe 'papers'; allowed: paper, tuned. Did you mean 'paper'"
    ):
        find_recipe("papers")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch must be 1 or more, received 0"),
        ({"depth": 0}, "depth must be 1 or more, received 0"),
        ({"loss": "mes"}, "unknown loss 'mes'; allowed: ce, ce-both, mse, regression. Did you mean 'mse'"),
        ({"fps": 0.0}, "fps must be above 0, received 0"),
        ({"epochs": 0.0, "videos": ["a"]}, "epochs must be above 0, received 0"),
        ({"epochs": 2.0}, "epochs goes with videos"),
        ({"captions": Path("c.csv")}, "captions goes with videos"),
        ({"loss": "ce"}, "loss 'ce' needs videos with captions"),
        (
            {"captions": Path("c.csv"), "videos": ["a"]},
            "captions go with loss ce or ce-both; received loss 'regr",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Distillation(**{"model": "demo", "depth": 1, "batch": 2, **changes})
