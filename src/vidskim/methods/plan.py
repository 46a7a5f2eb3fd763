"""A budget turned into a plan: where I-frames go, how far they are merged, and what is left for the P-frames' patches.

Every candidate is judged by what it is expected to lose: P-frames by the change that is left after the budget is spent
on the patches that change most, I-frames by what their merging costs. The constants were fitted on real clips; see
docs/log.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from vidskim.methods.change import Change
from vidskim.methods.condense import NOTHING, SCHEDULES, Schedule
from vidskim.methods.layout import Grouping, Segment
from vidskim.models.cost import condensed_macs, condensed_widths, vit_macs
from vidskim.models.variants import VitConfig

WINDOW = 48  # frames planned together
INTERLEAVES = (0, 1, 2, 3, 5, 8, 12, 23)  # candidates for P-frames between I-frames
# expected loss of a P-frame: LOSS x (mean change left) ^ POWER
LOSS, POWER = 0.6, 0.6
# counts of recomputed patches, as shares: few, so that frames of one count share a batch
LEVELS = (0.02, 0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 1.0)
# a pass takes at least the time in which its weights are read, if they do not stay in a cache; see `is_tiny`
FEW_TOKENS, CACHED_WEIGHTS = 512, 1 << 23


@dataclass(frozen=True)
class Plan:
    """How a segment is encoded.

    Args:
        grouping: which frames are I-frames.
        schedule: how they are merged.
        left: MACs for all P-frames.
        strain: what merging loses in this video, as a multiple of what is typical; as far as is known.
    """

    grouping: Grouping
    schedule: Schedule
    left: float
    strain: float = 1.0


def make_plan(
    config: VitConfig,
    change: Change,
    *,
    frames: int,
    total: float,
    strain: float,
    begun: bool,
    closing: bool,
) -> Plan:
    """The plan that is expected to lose least within a budget, of equals the cheapest.

    Args:
        config: of the tower.
        change: of the segment.
        frames: in the segment.
        total: MACs for the frames that are not encoded yet.
        strain: what merging lost in frame 0, as a multiple of what is typical; 1 where it is not known.
        begun: frame 0 is encoded already.
        closing: the last frame must be an I-frame, as another segment follows.
    """
    starts = change.scene_starts()
    plans: list[tuple[bool, float, float, Plan]] = []
    for interleave in INTERLEAVES:
        grouping = spread(frames, starts, interleave, closing=closing)
        between, previous, following = grouping.links()
        nearest = torch.minimum(change.between(between, previous), change.between(between, following))
        scores = nearest.sort(dim=1, descending=True).values
        for schedule in SCHEDULES:
            anchors = (len(grouping.anchors) - begun) * anchor_macs(config, schedule)
            left = total - anchors
            counts = fit_counts(config, scores, schedule, left)
            # P-frames read what I-frames lost, so merging costs all frames
            loss = schedule.expected_loss(strain) + remaining(scores, counts).pow(POWER).sum() * LOSS / frames
            macs = anchors + sum(between_macs(config, int(count), schedule) for count in counts)
            key = (macs > total, float(macs - total if macs > total else loss), macs)
            plans.append((*key, Plan(grouping, schedule, left, strain)))
    return min(plans, key=lambda plan: plan[:3])[3]


def is_tiny(config: VitConfig, segment: Segment) -> bool:
    """Whether a segment is a whole video, encoded soonest in one pass: a second one reads all weights from memory."""
    whole = segment.carried is None and not segment.continues
    tokens = len(segment.pixels) * (config.prefix + config.patches)
    weights = config.layers * (4 * config.width**2 + 2 * config.width * config.hidden)
    return whole and tokens <= FEW_TOKENS and weights > CACHED_WEIGHTS


def spread(frames: int, starts: Sequence[int], interleave: int, *, closing: bool) -> Grouping:
    """Frame 0, and I-frames evenly over each scene, its first and last among them, `interleave` frames between them."""
    anchors = {0}
    borders = [0, *starts, frames]
    for start, stop in pairwise(borders):
        last = stop - start - 1
        groups = -(-last // (interleave + 1)) if 2 * last > interleave + 1 else 0
        own = np.linspace(start, stop - 1, groups + 1).round() if groups else [start + (last + 1) // 2]
        anchors |= {int(frame) for frame in own}
    if closing:
        anchors.add(frames - 1)
    return Grouping(tuple(sorted(anchors)), tuple(starts), frames)


def fit_counts(config: VitConfig, scores: Tensor, schedule: Schedule, left: float) -> Tensor:
    """Patches to recompute in each P-frame: one limit on the scores for all, as low as the MACs allow, but above 0.

    Args:
        config: of the tower.
        scores: change of each frame's patches, falling [p, n].
        schedule: of the I-frames that are read.
        left: MACs for all P-frames.

    Returns:
        int64 [p], each a level of `LEVELS`; the lowest for all where even that costs more.
    """
    levels = torch.tensor(level_counts(config.patches))
    costs = torch.tensor(
        [between_macs(config, int(count), schedule) for count in levels], dtype=torch.float64
    )
    if not len(scores):
        return torch.empty(0, dtype=torch.int64)
    # the limit at which each frame rises to the next level, and what that costs
    rises = scores[:, levels[:-1]]  # the first patch beyond each level
    prices = (costs[1:] - costs[:-1]).expand_as(rises)
    order = rises.flatten().sort(descending=True, stable=True).indices
    spent = costs[0] * len(scores) + prices.flatten()[order].cumsum(dim=0)
    useful = int((rises > 0).sum())  # what did not change is not worth its MACs
    taken = order[: min(int((spent <= left).sum()), useful)]
    level = torch.bincount(taken // (len(levels) - 1), minlength=len(scores))
    return levels[level]


def remaining(scores: Tensor, counts: Tensor) -> Tensor:
    """Mean score of each frame's patches [p, n], falling, once its `counts` highest ones are recomputed: [p]."""
    beyond = torch.arange(scores.shape[1]) >= counts[:, None]
    return (scores * beyond).mean(dim=1)


@cache
def level_counts(patches: int) -> tuple[int, ...]:
    """The levels in patches, at least 1."""
    return tuple(sorted({max(1, round(share * patches)) for share in LEVELS}))


@cache
def anchor_macs(config: VitConfig, schedule: Schedule) -> int:
    """An I-frame merged by a schedule."""
    return condensed_macs(config, schedule.counts(config))


@cache
def between_macs(config: VitConfig, kept: int, schedule: Schedule, *, both: bool = True) -> int:
    """A P-frame of `kept` patches that reads one or two I-frames merged by a schedule; of all patches, none."""
    if kept == config.patches:
        return vit_macs(config)
    widths = condensed_widths(config, schedule.counts(config))
    context = [width * (1 + both) for width in widths]
    return condensed_macs(config, NOTHING.counts(config), kept=kept, context=context)
