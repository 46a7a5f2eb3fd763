"""Which packets are decoded: everything a wanted frame depends on, and little else."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidskim.video.plan import SKIP, SUPPORT, WANTED, Plan, plan_packets, starts_clean
from vidskim.video.sample import Timeline


def stream(groups: list[int], *, leading: int = 0) -> Timeline:
    """Groups of pictures in decode order: key, then pairs (later, earlier); `leading` frames before each later key."""
    pts, key = [], []
    for length in groups:
        start = len(pts)
        lead = leading if start else 0
        order = [start + lead, *range(start, start + lead)]
        rest = list(range(start + lead + 1, start + length))
        for at in range(0, len(rest), 2):
            order += rest[at : at + 2][::-1]
        pts += order
        key += [True] + [False] * (len(order) - 1)
    pts, key = np.array(pts, np.int64), np.array(key)
    return Timeline(pts, key, np.ones(len(pts), bool), 0.04, True)


def plan(line: Timeline, targets: list[int] | np.ndarray, **settings: Any) -> Plan:
    return plan_packets(line, np.array(targets), **{"drops_nonref": False, "min_skip": 1, **settings})


def test_only_needed_groups_up_to_the_wanted_packet() -> None:
    line = stream([6, 6, 6])
    made = plan(line, [8])  # the second group is shown 6..11 and decoded 6, 8, 7, 10, 9, 11
    assert made.actions.tolist() == [SKIP] * 6 + [SUPPORT, WANTED] + [SKIP] * 10
    assert made.strategy == "groups"


def test_a_wanted_leading_frame_needs_the_group_before() -> None:
    line = stream([6, 6, 6], leading=2)
    assert line.pts[6:9].tolist() == [8, 6, 7]
    assert (plan(line, [6]).actions != SKIP).tolist() == [True] * 8 + [False] * 10
    assert (plan(line, [9]).actions != SKIP).tolist() == [False] * 6 + [True] * 5 + [False] * 7


def test_short_gaps_are_decoded_through() -> None:
    line = stream([6, 6])
    assert (plan(line, [1, 6], min_skip=4).actions == SKIP).sum() == 5 + 3 - 3
    assert (plan(line, [0, 6], min_skip=5).actions[1:6] == SKIP).all()
    assert (plan(line, [0, 6], min_skip=6).actions[1:6] == SUPPORT).all()


def test_the_strategy_is_named() -> None:
    line = stream([10, 10])
    every = np.arange(20)
    assert plan(line, every, drops_nonref=True).strategy == "straight"
    assert plan(line, [0, 9, 19], drops_nonref=True).strategy == "nonref"
    assert plan(line, [0, 19], drops_nonref=True).strategy == "groups+nonref"
    assert plan(line, [0, 9], drops_nonref=False).strategy == "straight"
    forced = plan(line, [0, 11], drops_nonref=True, straight=True)
    assert forced.strategy == "straight"
    assert forced.actions.tolist() == [WANTED] * 13 + [SKIP] * 7


def test_doubtful_timestamps_mean_straight_decoding() -> None:
    flags = np.ones(5, bool)
    line = Timeline(np.arange(5), flags, flags, 0.04, False)
    assert plan(line, [3], drops_nonref=True).actions.tolist() == [WANTED] * 5


@given(
    st.lists(st.integers(3, 9), min_size=1, max_size=6),
    st.integers(0, 2),
    st.integers(1, 12),
    st.data(),
)
def test_every_dependency_is_decoded(
    groups: list[int], leading: int, min_skip: int, data: st.DataObject
) -> None:
    line = stream(groups, leading=leading)
    count = len(line.pts)
    targets = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True).map(sorted))
    actions = plan(line, targets, min_skip=min_skip).actions
    assert set(line.pts[actions == WANTED]) == set(targets)
    starts = np.flatnonzero(line.is_key)
    for packet in np.flatnonzero(actions == WANTED):
        group = np.searchsorted(starts, packet, side="right") - 1
        leads = line.pts[packet] < line.pts[starts[group]]
        first = starts[group - 1] if leads else starts[group]
        assert (actions[first : packet + 1] != SKIP).all()
    used = np.flatnonzero(actions != SKIP)
    gaps = np.diff(used)
    assert ((gaps == 1) | (gaps > min_skip)).all()
    assert line.is_key[used[1:][gaps > 1]].all(), "the decoder may start anew at key packets only"


@pytest.mark.parametrize(
    ("units", "clean"), [([7, 8, 5], True), ([9, 6, 5], True), ([6, 1], False), ([1], False), ([], False)]
)
def test_clean_starts_are_told_by_their_units(units: list[int], clean: bool) -> None:
    bodies = [bytes([0x60 | unit]) + b"\x12\x34\x56" for unit in units]
    for size in (1, 2, 4):
        lengths = b"".join(len(body).to_bytes(size, "big") + body for body in bodies)
        assert starts_clean(lengths, length_bytes=size) == clean
    codes = b"".join(b"\x00\x00\x00\x01" + body for body in bodies)
    assert starts_clean(codes, length_bytes=0) == clean


@given(st.binary(max_size=60), st.sampled_from([0, 1, 2, 4]))
def test_noise_is_never_an_endless_loop(data: bytes, size: int) -> None:
    assert starts_clean(data, length_bytes=size) in (True, False)
