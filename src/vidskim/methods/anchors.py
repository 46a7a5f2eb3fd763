"""I-frames that leave their keys and values: encoded, recorded, and joined with those of the segment before."""

import torch
from torch import Tensor

from vidskim.methods.condense import Schedule
from vidskim.methods.context import Context, Record
from vidskim.methods.frames import Anchors, as_index, batches, fresh_anchors
from vidskim.methods.layout import Layout
from vidskim.models.cost import condensed_widths
from vidskim.models.vit import VisionTransformer, unit


def record(
    trunk: VisionTransformer,
    pixels: Tensor,
    layout: Layout,
    schedule: Schedule,
    *,
    strain: Tensor,
) -> Anchors:
    """Encode the I-frames that are new, and put beside them what the carried ones left.

    Args:
        trunk: the vision tower.
        pixels: frames [t, 3, y, x].
        layout: of the batch.
        schedule: how the new ones are merged.
        strain: what merging is known to lose, for I-frames that do not find out [a].
    """
    config = trunk.config
    widths = condensed_widths(config, schedule.counts(config))
    for anchor in layout.carried.values():
        if anchor.context is not None:
            held = [kv.shape[2] for kv in anchor.context.layers]
            widths = [max(pair) for pair in zip(widths, held, strict=True)]
    context = Context(config, widths, frames=len(layout.anchors), like=trunk.class_token)
    context.strain.copy_(strain)
    vectors = torch.empty(len(layout.anchors), config.dim, device=pixels.device)
    for row, anchor in layout.carried.items():
        vectors[row] = anchor.vector
        if anchor.context is not None:
            context.put(row, anchor.context)
    for rows in batches(fresh_anchors(layout), config.prefix + config.patches, pixels.device):
        recorder = Record(context, as_index(rows), schedule, config=config)
        vectors[rows] = unit(trunk(trunk.embed(pixels[as_index(layout.anchors[rows])]), recorder))
    return Anchors(vectors, context)
