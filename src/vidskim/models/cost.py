"""Multiply-accumulates (MACs) by closed formula; one is two FLOPs. Norms, softmax and activations are not counted."""

from collections.abc import Sequence

from vidskim.models.variants import VideoVitConfig, VitConfig
from vidskim.tokens.clip_plan import ClipBlock
from vidskim.tokens.match import merged_count


def embed_macs(config: VitConfig, patches: int) -> int:
    """Patch projection of `patches` patches."""
    return 3 * config.patch**2 * config.width * patches


def block_macs(
    config: VitConfig | VideoVitConfig,
    *,
    queries: int,
    fresh: int,
    context: int,
    left: int | None = None,
    attention: bool = True,
) -> int:
    """One block in which `fresh` tokens get keys and values, and `queries` of them go on.

    Args:
        queries: tokens that ask and pass the output projection.
        fresh: tokens whose keys and values are computed.
        context: positions attention reads, recorded ones included.
        left: tokens that pass the MLP, where some are merged before it; None is `queries`.
        attention: count the two attention products.
    """
    d = config.width
    left = queries if left is None else left
    linear = queries * 2 * d * d + left * 2 * d * config.hidden + fresh * 2 * d * d
    return linear + (2 * queries * context * d if attention else 0)


def vit_macs(
    config: VitConfig, *, kept: int | None = None, extra: int = 0, context: int | None = None
) -> int:
    """One image through the trunk as it really runs: in the last block only the class token asks.

    Args:
        kept: patches embedded and carried through; None is all.
        extra: tokens beside prefix and patches, such as ResidualViT's.
        context: positions attention reads in each block; None is the tokens themselves.
    """
    patches = config.patches if kept is None else kept
    tokens = config.prefix + patches + extra
    context = tokens if context is None else context
    body = block_macs(config, queries=tokens, fresh=tokens, context=context) * (config.layers - 1)
    last = block_macs(config, queries=1, fresh=tokens, context=context)
    return embed_macs(config, patches) + body + last + config.width * (config.embed or 0)


def merged_macs(config: VitConfig, *, r: int, extra: int = 0) -> int:
    """One image through the trunk with `r` tokens merged in each block but the last, the matching included.

    Args:
        r: tokens to merge; at most half of the patches left.
        extra: protected tokens beside the prefix.
    """
    protected = config.prefix + extra
    tokens = protected + config.patches
    total = embed_macs(config, config.patches) + config.width * (config.embed or 0)
    for _ in range(config.layers - 1):
        left = merged_count(tokens, r, protected=protected)
        total += block_macs(config, queries=tokens, fresh=tokens, context=tokens, left=left)
        if left < tokens:
            total += matching_macs(tokens, protected=protected, channels=config.width // config.heads)
        tokens = left
    return total + block_macs(config, queries=1, fresh=tokens, context=tokens)


def video_macs(config: VideoVitConfig, *, patches: int, tokens: Sequence[int]) -> int:
    """One clip through `VideoTransformer`.

    Args:
        patches: tubelets embedded.
        tokens: how many enter each block [layers].
    """
    embed = 3 * config.tubelet * config.patch**2 * config.width * patches
    blocks = sum(block_macs(config, queries=n, fresh=n, context=n) for n in tokens)
    return embed + blocks + config.width * config.classes


def condensed_widths(
    config: VitConfig, merged: Sequence[int], *, kept: int | None = None, extra: int = 0
) -> list[int]:
    """Tokens that enter each block, where `merged[i]` are merged in block i.

    Args:
        merged: for each block; at most half of the patches left.
        kept: patches embedded; None is all.
        extra: protected tokens beside the prefix.
    """
    widths = [config.prefix + extra + (config.patches if kept is None else kept)]
    for r in merged[:-1]:
        widths.append(merged_count(widths[-1], r, protected=config.prefix + extra))
    return widths


def condensed_macs(
    config: VitConfig, merged: Sequence[int], *, kept: int | None = None, context: Sequence[int] | None = None
) -> int:
    """One image through the trunk with tokens merged by a schedule, matched by the tokens themselves.

    Args:
        merged: tokens to merge in each block; none in the last.
        kept: patches embedded; None is all.
        context: recorded tokens that attention reads in each block beside the own ones.
    """
    patches = config.patches if kept is None else kept
    widths = condensed_widths(config, merged, kept=kept)
    total = embed_macs(config, patches) + config.width * (config.embed or 0)
    for layer, tokens in enumerate(widths):
        reads = tokens + (context[layer] if context else 0)
        is_last = layer == config.layers - 1
        left = 1 if is_last else widths[layer + 1]
        queries = 1 if is_last else tokens
        total += block_macs(config, queries=queries, fresh=tokens, context=reads, left=left)
        if left < tokens and not is_last:
            total += matching_macs(tokens, protected=config.prefix, channels=config.width)
    return total


def clips_macs(config: VitConfig, blocks: Sequence[ClipBlock], *, by_clip: bool) -> int:
    """One video whose clips are joined and merged by a plan, the matching included.

    Args:
        blocks: the plan's, for this model.
        by_clip: tokens are split for matching by their clips, not their places.
    """
    total = _frames_macs(config, blocks)
    for block in blocks:
        is_last = block is blocks[-1]
        asking, left = (block.frames,) * 2 if is_last else (block.attending, block.leaving)
        each = block_macs(config, queries=asking, fresh=block.attending, context=block.attending, left=left)
        if block.across and by_clip:
            patches = block.entering - block.frames // block.joined
            each += (block.joined + 1) // 2 * patches * (block.joined // 2 * patches) * config.width
        elif block.across:
            joined = block.entering * block.joined
            each += matching_macs(joined, protected=block.frames, channels=config.width)
        if block.within and not is_last:
            channels = config.width // config.heads
            each += matching_macs(block.attending, protected=block.frames, channels=channels)
        total += block.clips * each
    return total


def published_clips_macs(config: VitConfig, blocks: Sequence[ClipBlock], *, norms: bool = False) -> int:
    """As TempMe's authors count one video: every token through every block, the matching left out.

    Args:
        blocks: the plan's, for this model.
        norms: add five for each value that a LayerNorm or a softmax reads, as the paper's figures do.
    """
    total = _frames_macs(config, blocks)
    if norms:
        total += (
            5 * config.width * blocks[-1].clips * blocks[-1].frames * (config.prefix + config.patches + 1)
        )
    for block in blocks:
        n, left = block.attending, block.leaving
        each = block_macs(config, queries=n, fresh=n, context=n, left=left)
        if norms:
            each += 5 * (config.width * (n + left) + config.heads * n * n)
        total += block.clips * each
    return total


def _frames_macs(config: VitConfig, blocks: Sequence[ClipBlock]) -> int:
    """Patches and class tokens of all frames, into the trunk and out of it."""
    frames = blocks[-1].clips * blocks[-1].frames
    return frames * (embed_macs(config, config.patches) + config.width * (config.embed or 0))


def matching_macs(tokens: int, *, protected: int, channels: int) -> int:
    """Comparing the unprotected tokens at even places with those at odd ones."""
    even = (tokens + 1) // 2 - (protected + 1) // 2
    return even * (tokens - protected - even) * channels


def published_vit_macs(config: VitConfig, *, attention: bool) -> int:
    """One image as the literature counts it: every token through every block, with or without attention products."""
    return _published(config, tokens=config.prefix + config.patches, attention=attention)


def published_video_macs(config: VideoVitConfig, *, patches: int, tokens: Sequence[int]) -> int:
    """As `video_macs`, with five for each value that a LayerNorm in a block reads: fvcore's count, which STA prints."""
    return video_macs(config, patches=patches, tokens=tokens) + 2 * 5 * config.width * sum(tokens)


def tokenizer_macs(config: VitConfig, depth: int = 1) -> int:
    """One residual token from an I-feature by ResidualViT's tokenizer of `depth` linear layers."""
    return config.dim * config.width + (depth - 1) * config.width**2


def published_residual_macs(config: VitConfig, *, kept: int, attention: bool = False) -> int:
    """A ResidualViT P-frame as its authors run it: the whole image is projected, every token passes every block.

    Source: ResidualViT, cost model behind its GFLOPs figures (GMACs without attention products).
    """
    tokens = config.prefix + 1 + kept
    return _published(config, tokens=tokens, attention=attention) + tokenizer_macs(config)


def _published(config: VitConfig, *, tokens: int, attention: bool) -> int:
    """The whole image projected, `tokens` tokens through every block in full."""
    block = block_macs(config, queries=tokens, fresh=tokens, context=tokens, attention=attention)
    return embed_macs(config, config.patches) + block * config.layers + config.width * (config.embed or 0)
