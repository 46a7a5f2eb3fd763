"""The table of what is tried."""

from vidskim.evaluate.candidates import FULL, INTERLEAVES, list_candidates
from vidskim.pipeline.encoder import VideoEncoder


def test_every_candidate_is_a_setting_of_its_method_and_none_comes_twice(demo: VideoEncoder) -> None:
    candidates = list_candidates(with_residual=True)
    assert candidates[0] is FULL
    encoders = [demo.with_method(one.method, **one.settings) for one in candidates]
    assert (
        len({one.fingerprint.digest for one in encoders}) == len(candidates) == len(set(map(str, candidates)))
    )
    # the sample is decoded once for all, without motion vectors
    assert not any(one.method.asks_motion for one in encoders)


def test_free_baselines_and_equal_counts_are_beside_the_methods() -> None:
    candidates = list_candidates(with_residual=False)
    assert "residual" not in {one.method for one in candidates}
    for method in ("copy", "interpolate"):
        free = [one.settings["interleave"] for one in candidates if one.method == method]
        assert free == list(INTERLEAVES)
    counts = {
        role: [
            (one.settings["interleave"], one.settings["keep"])
            for one in candidates
            if one.role == role and "keep" in one.settings
        ]
        for role in ("control", "method")
    }
    assert counts["control"] == counts["method"] != []


def test_a_candidate_reads_well() -> None:
    assert [str(one) for one in list_candidates(with_residual=False)[:2]] == ["full", "copy (interleave 1)"]
