"""The recipes of retrieval trainings."""

from vidskim.train.loop import LoopSettings
from vidskim.train.syllabus import PAPER, RENDERED_PLAN, complete, find_recipe


def test_settings_complete_the_recipe_one_by_one_but_beside_a_plan() -> None:
    _, recipe = find_recipe(videos=False)
    assert complete(recipe, {"settings": {"merge": False}})["settings"] == {
        "plan": RENDERED_PLAN,
        "split": "clip",
        "merge": False,
    }
    alone = {"plan": {"frames": 8, "joins": []}}
    assert complete(recipe, {"settings": alone, "rank": 4}) == {**recipe, "settings": alone, "rank": 4}
    assert complete(recipe, {}) == recipe


def test_the_recipe_is_the_published_one() -> None:
    expected = {"steps": 7030, "learning_rate": 6e-4, "weight_decay": 0.2, "betas": (0.9, 0.999), "eps": 1e-6}
    assert {name: getattr(PAPER, name) for name in expected} == expected
    assert isinstance(PAPER, LoopSettings)
    assert PAPER.warmup_steps == 0.1 * PAPER.steps
    assert PAPER.final_fraction == 0
