"""MACs of Video Swin by closed formula, as published and as run here; what is counted is as in `cost.py`."""

from collections.abc import Sequence
from math import prod

from vidskim.models.swin_variants import Size, SwinConfig
from vidskim.models.window import block_pairs, fit_window, padded_size


def swin_macs(config: SwinConfig, pixels: Size) -> int:
    """One clip of so many frames, rows and columns, as it really runs: forbidden pairs are not computed."""
    sizes = config.stage_sizes(pixels)
    pairs = [block_pairs(size, config.window) for size in sizes]
    # padded tokens are attended to, and never projected
    return linear_macs(config, pixels, [prod(size) for size in sizes]) + attention_macs(config, pairs)


def published_swin_macs(config: SwinConfig, pixels: Size, *, r1: int = 0) -> int:
    """One clip as the literature counts it: whole windows in every block.

    Args:
        pixels: frames, rows and columns.
        r1: tokens STA drops of each slice of the second stage: of a slice's tokens stage 2 runs on all but r1, stage 3
            on a quarter of all but 1.5 r1, stage 4 on a sixteenth of all but 1.75 r1. Linear layers shrink, attention
            is paid in full.

    Source: Ding et al., STA, ICCV 2023, table 3, which this reproduces within 1 GMAC; the schedule is deduced from it.
    """
    sizes = config.stage_sizes(pixels)
    dropped = (0, 16 * r1, 24 * r1, 28 * r1)  # of a slice of stage 2, in sixteenths of tokens
    tokens = [
        prod(size) - size[0] * dropped[stage] // (4 ** max(stage - 1, 0) * 16)
        for stage, size in enumerate(sizes)
    ]
    pairs = [
        prod(padded_size(size, config.window)) * prod(fit_window(size, config.window)[0]) for size in sizes
    ]
    return linear_macs(config, pixels, tokens) + attention_macs(config, [(count, count) for count in pairs])


def attention_macs(config: SwinConfig, pairs: Sequence[tuple[int, int]]) -> int:
    """The two products of attention, from queries times keys in a plain and in a shifted block of each stage."""
    return sum(
        2 * config.stage_width(stage) * own[number % 2]
        for stage, own in enumerate(pairs)
        for number in range(config.depths[stage])
    )


def linear_macs(config: SwinConfig, pixels: Size, tokens: Sequence[int]) -> int:
    """Everything but attention: patches, blocks, merging and head.

    Args:
        pixels: frames, rows and columns.
        tokens: how many each stage runs on; those of all stages but the last are merged by fours, and what is dropped
            in the next stage is dropped afterwards.
    """
    sizes = config.stage_sizes(pixels)
    total = prod(sizes[0]) * 3 * prod(config.patch) * config.width + config.dim * (config.classes or 0)
    for stage, (count, depth) in enumerate(zip(tokens, config.depths, strict=True)):
        width = config.stage_width(stage)
        total += depth * count * (4 + 2 * config.expansion) * width**2
        if stage + 1 < len(sizes):
            # maps of odd sides are padded; pruned ones have none
            merged = prod(sizes[stage + 1]) if count == prod(sizes[stage]) else count // 4
            total += merged * 8 * width**2
    return total
