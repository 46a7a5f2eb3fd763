"""Counting outcomes."""

from vidskim.pipeline.progress import Progress, Tally


def test_each_outcome_is_told_with_the_counts_so_far() -> None:
    told: list[Progress] = []
    tally = Tally(3, told.append)
    tally.add("a", "done", frames=7)
    tally.add("b", "failed", message="broken")
    tally.add("c", "skipped")
    assert told[1] == Progress(3, "b", "failed", "broken", done=1, failed=1, frames=7)
    assert told[2] == tally.progress == Progress(3, "c", "skipped", done=1, failed=1, skipped=1, frames=7)
