"""`reuse`: dense features without training.

A P-frame recomputes the patches that changed and that matter. Its few tokens read, beside each other, all the keys and
values that the I-frames around it left in each block. Linear layers run on the few tokens only.

With a `budget` everything else follows from the video: where I-frames go, how far their tokens are merged, and how many
patches of each P-frame are recomputed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vidskim.errors import SettingsError, unknown_name
from vidskim.methods.anchors import record
from vidskim.methods.change import Change
from vidskim.methods.choose import Budget
from vidskim.methods.condense import LIGHT, NOTHING, Schedule
from vidskim.methods.frames import (
    Batch,
    Between,
    Encoded,
    join,
    split,
)
from vidskim.methods.layout import Anchor, Layout, Segment, lay_out, regular
from vidskim.methods.plan import (
    WINDOW,
    Plan,
    anchor_macs,
    between_macs,
    fit_counts,
    is_tiny,
    make_plan,
)
from vidskim.methods.selective import Selective
from vidskim.methods.union import Union
from vidskim.models.cost import vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer, unit

ANCHORS = ("both", "previous")
BUDGET = 0.45
INTERLEAVE, KEEP = 2, 0.15
# of a patch, against its change; measured in docs/log.md, as is BLEND
ATTENTION_POWER = 0.6
# weight of the interpolated vectors where nothing that changed is recomputed
BLEND = 0.5
SHORT = 16  # frames


@dataclass(frozen=True)
class Planned:
    """Segments that are encoded with one schedule, each with its plan and its measured change."""

    segments: list[Segment]
    plans: list[Plan]
    changes: list[Change]


@dataclass(frozen=True, kw_only=True)
class Reuse(Selective):
    """Training-free P-frames.

    Args:
        budget: share of the full encoder's MACs to spend, above 0 and at most 1; plans windows of 48 frames. The
            default, 0.45, unless one of the next three is given. Videos of a handful of frames are encoded in full
            where that takes no longer, see `plan.is_tiny`.
        interleave: P-frames for each I-frame, N, in fixed groups; default 2.
        keep, threshold: see `Budget`; with fixed groups. Default: keep 0.15.
        anchors: "both" reads the I-frames before and after (needs look-ahead); "previous" the one before, for streams.
        std, select, seed: see `Selective`; "difference" is that of the pixels times the patches' importance, the
            attention the I-frames' class token pays them.

    Raises:
        SettingsError: a value is out of range, or a budget comes with settings that it decides itself.
    """

    budget: float | None = None
    interleave: int | None = None
    keep: float | None = None
    anchors: str = "both"
    select: str = "difference"
    name = "reuse"
    records = True

    def __post_init__(self) -> None:
        if self.anchors not in ANCHORS:
            raise unknown_name("anchors", self.anchors, ANCHORS)
        fixed = {name: getattr(self, name) for name in ("interleave", "keep", "threshold")}
        given = {name: value for name, value in fixed.items() if value is not None}
        if self.budget is None and (given or not self.lookahead):
            defaults = {"interleave": INTERLEAVE, "keep": KEEP}
            for name, value in defaults.items():
                object.__setattr__(self, name, given.get(name, value))
        elif given:
            raise SettingsError(
                f"give budget (everything else then follows from the video) or interleave, keep and threshold, not "
                f"both; received budget={self.budget} and {', '.join(f'{k}={v}' for k, v in given.items())}"
            )
        else:
            object.__setattr__(self, "budget", BUDGET if self.budget is None else self.budget)
        self._check_budget()
        _ = self.selection  # checks the settings it is made of

    def _check_budget(self) -> None:
        if self.budget is not None and not 0 < self.budget <= 1:
            raise SettingsError(
                f"budget is the share of the full encoder's cost, above 0 and at most 1; received {self.budget}"
            )
        if self.budget is not None and not self.lookahead:
            raise SettingsError('a budget is planned ahead; it goes with anchors="both", not with "previous"')

    @property
    def selection(self) -> Budget:
        """How patches are chosen."""
        return Budget(self.select, KEEP if self.keep is None else self.keep, self.threshold, self.seed)

    @property
    def lookahead(self) -> bool:
        """Whether the I-frame after a group is read."""
        return self.anchors == "both"

    @property
    def idle(self) -> tuple[str, ...]:
        """A budget takes the place of the other three dials, a threshold that of a fixed share."""
        if self.budget is not None:
            return ("interleave", "keep", "threshold")
        return ("budget",) if self.threshold is None else ("budget", "keep")

    @property
    def step(self) -> int:
        """A planned window, or a group."""
        return WINDOW if self.interleave is None else self.interleave + 1

    @property
    def step_anchors(self) -> int:
        """Every other frame may be an I-frame, with a large budget every one; a cut adds one, which is rare."""
        if self.interleave is not None:
            return 1
        return WINDOW // 2 if self.budget is not None and self.budget <= 0.5 else WINDOW

    @property
    def plans(self) -> bool:
        """With a budget."""
        return self.budget is not None

    def encode(self, trunk: VisionTransformer, segments: Sequence[Segment]) -> list[Encoded]:
        """See `FrameMethod.encode`. Segments with I-frames merged alike are encoded together."""
        changes = [Change(segment.pixels, std=self.std, grid=trunk.config.grid) for segment in segments]
        opened = list(segments) if self.budget is None else self._open(trunk, segments)
        plans = [self._plan(trunk.config, *parts) for parts in zip(segments, opened, changes, strict=True)]
        encoded: dict[int, Encoded] = {}
        for schedule in dict.fromkeys(plan.schedule for plan in plans):
            rows = [row for row, plan in enumerate(plans) if plan.schedule == schedule]
            planned = Planned(
                [opened[row] for row in rows], [plans[row] for row in rows], [changes[row] for row in rows]
            )
            encoded |= dict(zip(rows, self._encode_planned(trunk, planned, schedule), strict=True))
        for row, segment in enumerate(segments):
            if opened[row] is not segment:
                encoded[row] = replace(
                    encoded[row], macs=encoded[row].macs + anchor_macs(trunk.config, LIGHT)
                )
        return [encoded[row] for row in range(len(segments))]

    def _open(self, trunk: VisionTransformer, segments: Sequence[Segment]) -> list[Segment]:
        """Segments that begin a video with frame 0 encoded, lightly merged: what that loses tells how far to go.

        In short ones it is not worth a pass of its own.
        """
        new = [
            row
            for row, segment in enumerate(segments)
            if segment.carried is None and len(segment.pixels) > SHORT and not is_tiny(trunk.config, segment)
        ]
        if not new:
            return list(segments)
        first = torch.stack([segments[row].pixels[0] for row in new])
        layout = Layout.of_anchors(len(new))
        anchors = record(trunk, first, layout, LIGHT, strain=torch.ones(len(new)))
        opened = list(segments)
        for place, row in enumerate(new):
            context = None if anchors.context is None else anchors.context.take(place)
            opened[row] = replace(segments[row], carried=Anchor(anchors.vectors[place], context))
        return opened

    def _plan(self, config: VitConfig, segment: Segment, opened: Segment, change: Change) -> Plan:
        frames = len(segment.pixels)
        if self.budget is None:
            return Plan(regular(frames, interleave=self.step - 1, lookahead=self.lookahead), NOTHING, 0.0)
        if is_tiny(config, segment):
            return Plan(regular(frames, interleave=0, lookahead=True), NOTHING, 0.0)
        context = None if opened.carried is None else opened.carried.context
        fresh, begun = segment.carried is None, opened.carried is not None
        total = self.budget * (frames - (not fresh)) * vit_macs(config)
        return make_plan(
            config,
            change,
            frames=frames,
            total=total - (anchor_macs(config, LIGHT) if fresh and begun else 0),
            strain=1.0 if context is None else context.strain,
            begun=begun,
            closing=segment.continues,
        )

    def _encode_planned(
        self, trunk: VisionTransformer, planned: Planned, schedule: Schedule
    ) -> list[Encoded]:
        layout = lay_out(planned.segments, [plan.grouping for plan in planned.plans])
        pixels = join(planned.segments)
        if len(layout.between) or schedule != NOTHING or any(part.continues for part in planned.segments):
            strain = [plan.strain for plan in planned.plans for _ in plan.grouping.anchors]
            anchors = record(trunk, pixels, layout, schedule, strain=torch.tensor(strain))
        else:  # nobody reads them
            anchors = self._encode_anchors(trunk, pixels, layout)
        batch = Batch(pixels, planned.segments, layout, anchors)
        between = self._encode_between(trunk, batch, planned, schedule) if len(layout.between) else None
        config = trunk.config

        def macs(_: int, kept: Tensor | None) -> int:
            counts = [] if kept is None else (kept >= 0).sum(dim=1).tolist()
            return sum(between_macs(config, count, schedule, both=self.lookahead) for count in counts)

        return split(batch, between, anchor_macs=anchor_macs(config, schedule), between_macs=macs)

    def _encode_between(
        self, trunk: VisionTransformer, batch: Batch, planned: Planned, schedule: Schedule
    ) -> Between:
        """Changed patches through the trunk, everything else read from the I-frames."""
        context, layout, config = batch.anchors.context, batch.layout, trunk.config
        if context is None:
            raise RuntimeError("reuse needs the I-frames' keys and values")
        before, after = measured(planned, layout)
        importance = (context.importance[layout.previous] + context.importance[layout.following]).cpu()
        importance = importance / importance.mean(dim=1, keepdim=True).clamp(
            min=torch.finfo(torch.float32).tiny
        )
        scores = torch.minimum(before, after) * importance**ATTENTION_POWER
        counts = None
        if self.budget is not None:
            falling = scores.sort(dim=1, descending=True).values
            counts = torch.cat(
                [
                    fit_counts(config, falling[layout.segment == number], schedule, plan.left)
                    for number, plan in enumerate(planned.plans)
                ]
            )
        kept, counts, shown = self.selection.choose(
            layout, batch.segments, config.grid, scores, counts=counts
        )
        free = torch.ones(len(kept), config.patches + 1)  # the last column takes the padding
        free = free.scatter_(1, kept.where(kept >= 0, torch.tensor(config.patches)), 0.0)[:, :-1]
        tiny = torch.finfo(torch.float32).tiny
        share = (before + tiny) / (before + after + 2 * tiny)
        share = share * (layout.previous != layout.following)[:, None]
        weights = [free * (1 - share), free * share][: 1 + self.lookahead]
        sides = [layout.previous, layout.following][: 1 + self.lookahead]
        front = torch.zeros(len(kept), config.prefix)
        weights = [torch.cat([front, weight], dim=1).to(batch.pixels.device) for weight in weights]

        def enter(rows: Tensor, chosen: Tensor) -> tuple[Tensor, Reduction]:
            if chosen.shape[1] == config.patches:
                return trunk.embed(batch.pixels[layout.between[rows]]), Reduction()
            union = Union(
                context,
                [side[rows] for side in sides],
                [weight[rows] for weight in weights],
            )
            return trunk.embed(batch.pixels, chosen, frames=layout.between[rows]), union

        vectors = self.encode_rows(trunk, kept, counts, extra=config.prefix, enter=enter)
        stale = (scores * free).sum(dim=1) / scores.sum(dim=1).clamp(min=tiny)
        return Between(blend(vectors, batch, BLEND * stale), kept, shown)


def measured(planned: Planned, layout: Layout) -> tuple[Tensor, Tensor]:
    """Change of each P-frame's patches against the I-frame before and the one after, [p, n] each."""
    before, after = [], []
    for plan, change in zip(planned.plans, planned.changes, strict=True):
        between, previous, following = plan.grouping.links()
        before.append(change.between(between, previous))
        after.append(change.between(between, following))
    return torch.cat(before), torch.cat(after)


def blend(vectors: Tensor, batch: Batch, share: Tensor) -> Tensor:
    """P-frames' vectors [p, d] moved to what the I-frames' vectors interpolate to, by a share [p] each."""
    layout, anchors = batch.layout, batch.anchors.vectors
    time = layout.share[:, None].to(anchors.device)
    guess = unit(anchors[layout.previous].lerp(anchors[layout.following], time))
    return unit(vectors.lerp(guess, share[:, None].to(vectors.device)))
