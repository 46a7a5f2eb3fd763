"""The table of what is tried."""

from vidskim.evaluate.candidates import BUDGETS, FULL, INTERLEAVES, Family, list_candidates
from vidskim.pipeline.encoder import VideoEncoder


def test_every_candidate_is_a_setting_of_its_method_and_none_comes_twice(demo: VideoEncoder) -> None:
    candidates = list_candidates(with_residual=True, budget=0.4)
    assert candidates[0] is FULL
    encoders = [demo.with_method(one.method, **one.settings) for one in candidates]
    assert (
        len({one.fingerprint.digest for one in encoders}) == len(candidates) == len(set(map(str, candidates)))
    )
    # the sample is decoded once for all, without motion vectors
    assert not any(one.method.asks_motion for one in encoders)


def test_free_baselines_and_equal_counts_are_beside_the_methods() -> None:
    candidates = list_candidates(with_residual=False, budget=0.4)
    assert "residual" not in {one.method for one in candidates}
    for method in ("copy", "interpolate"):
        free = [one.settings["interleave"] for one in candidates if one.method == method]
        assert free == list(INTERLEAVES)
    budgets = {
        role: [
            one.settings["budget"]
            for one in candidates
            if one.role == role and one.settings.keys() >= {"budget"}
        ]
        for role in ("control", "method")
    }
    assert budgets["control"] == budgets["method"] == sorted({*BUDGETS, 0.4})


def test_dials_are_turned_with_and_without_fixed_groups() -> None:
    both = Family("both", "reuse", dial="keep", values=(0.1, 0.2), interleaves=(1, 3))
    assert [one.settings for one in both.candidates()] == [
        {"interleave": n, "keep": keep} for n in (1, 3) for keep in (0.1, 0.2)
    ]
    planned = Family(
        "planned", "reuse", fixed={"select": "random"}, dial="budget", values=(0.3,), interleaves=()
    )
    assert [one.settings for one in planned.candidates()] == [{"budget": 0.3, "select": "random"}]
    assert planned.including(0.2).values == [0.2, 0.3]
    assert both.including(0.2) is both
    assert [one.settings for one in Family("plain", "full", interleaves=()).candidates()] == [{}]


def test_a_candidate_reads_well() -> None:
    assert [str(one) for one in list_candidates(with_residual=False, budget=0.4)[:2]] == [
        "full",
        "copy (interleave 1)",
    ]
