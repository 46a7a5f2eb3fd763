"""Which packets must be decoded to get the wanted frames, and no others. Pure functions on timestamps."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidskim.video.sample import Ticks, Timeline

# What to do with a packet: leave out; decode for others' sake; decode and show.
SKIP, SUPPORT, WANTED = 0, 1, 2
_IDR = 5  # H.264 unit type


@dataclass(frozen=True, eq=False)
class Plan:
    """What to do with each packet (uint8 [n]: SKIP, SUPPORT or WANTED) and what that way of decoding is called."""

    actions: npt.NDArray[np.uint8]
    strategy: str


def plan_packets(
    timeline: Timeline, targets: Ticks, *, drops_nonref: bool, min_skip: int, straight: bool = False
) -> Plan:
    """The cheapest way to decode that still gives the wanted frames exactly.

    Only groups of pictures that hold a wanted frame are decoded, each up to its last wanted packet. A wanted frame that
    leads its key frame (decoded after it, shown before it) also needs the group before. Inside, packets nobody wants
    are marked SUPPORT: the decoder may leave out those that no other frame refers to.

    Strategies: "straight" decodes everything, "nonref" leaves out unwanted non-reference frames, "groups" whole
    groups, "groups+nonref" both.

    Args:
        targets: timestamps of the wanted frames.
        drops_nonref: the decoder can leave out non-reference frames exactly.
        min_skip: a shorter run of packets is decoded rather than skipped, since each new start empties the decoder.
        straight: decode everything up to the last wanted packet, whatever the cost.
    """
    count = len(timeline.pts)
    wanted = timeline.is_shown & np.isin(timeline.pts, targets)
    if straight or not timeline.trusted:
        end = count if not timeline.trusted else int(np.flatnonzero(wanted)[-1]) + 1
        return Plan(np.where(np.arange(count) < end, WANTED, SKIP).astype(np.uint8), "straight")
    fed = _needed(timeline, wanted)
    fed |= _short_gaps(fed, min_skip)
    actions = np.where(wanted, WANTED, np.where(fed, SUPPORT, SKIP)).astype(np.uint8)
    # Leaving out only the tail needs no new start, so it is not a strategy of its own.
    used = np.flatnonzero(fed)
    jumps = len(used) > 0 and int(used[-1]) + 1 > len(used)
    names = ["groups"] * jumps + ["nonref"] * (drops_nonref and bool((actions == SUPPORT).any()))
    return Plan(actions, "+".join(names) or "straight")


def _needed(timeline: Timeline, wanted: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Packets that wanted ones depend on, and they themselves."""
    number = np.arange(len(wanted))
    starts = np.flatnonzero(timeline.is_key)
    if not len(starts) or starts[0] != 0:
        starts = np.insert(starts, 0, 0)
    group = np.searchsorted(starts, number, side="right") - 1
    last_wanted = np.full(len(starts), -1)
    np.maximum.at(last_wanted, group[wanted], number[wanted])
    fed: npt.NDArray[np.bool_] = number <= last_wanted[group]
    leads = wanted & (timeline.pts < timeline.pts[starts][group])
    before = group[leads] - 1
    return fed | np.isin(group, before[before >= 0])


def _short_gaps(fed: npt.NDArray[np.bool_], min_skip: int) -> npt.NDArray[np.bool_]:
    """Runs of fewer than `min_skip` left-out packets between packets that are decoded."""
    used = np.flatnonzero(fed)
    short = np.zeros_like(fed)
    for before in np.flatnonzero((np.diff(used) > 1) & (np.diff(used) <= min_skip)):
        short[used[before] + 1 : used[before + 1]] = True
    return short


def starts_clean(data: bytes, *, length_bytes: int) -> bool:
    """Whether an H.264 packet marked as key holds an IDR picture, so that nothing after it refers to before it.

    Other marked packets (open groups, gradual refresh) only nearly restart the decoder.

    Args:
        length_bytes: size of the length before each unit, or 0 if units are parted by start codes.

    Source: ITU-T H.264, 7.3.1 and Annex B; ISO/IEC 14496-15 for the lengths.
    """
    at = 0
    while 0 <= at < len(data) - length_bytes - 3:
        if length_bytes:
            unit = at + length_bytes
            at = unit + int.from_bytes(data[at:unit], "big")
        else:
            unit = data.find(b"\x00\x00\x01", at) + 3
            if unit < 3:
                return False
            at = unit
        if unit < len(data) and data[unit] & 31 == _IDR:
            return True
    return False
