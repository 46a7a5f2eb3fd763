"""TempMe's checkpoints: OpenAI CLIP's names, LoRA beside the fused projections and clip positions beside blocks."""

import re
from collections.abc import Mapping

from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.models.lora import LowRank

MARK = "TVPt_"  # in the name of every tensor that was trained
_LORA = re.compile(r"(?:clip\.)?(visual\.)?transformer\.resblocks\.(\d+)\.attn\.TVPt_LoRA_([ab])")
_POSITIONS = re.compile(r"(?:clip\.)?visual\.transformer\.resblocks\.(\d+)\.TVPt_Video_Positional_embedding")
_PARTS = {"a": "down", "b": "up"}

Trained = tuple[dict[int, LowRank], dict[int, LowRank], dict[int, Tensor]]


def is_authors(state: Mapping[str, Tensor]) -> bool:
    """Whether tensors are named as TempMe's authors name what they train."""
    return any(MARK in name for name in state)


def read_authors(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Trained]:
    """The CLIP as it was before, and what was trained: LoRA of the vision and of the text tower, clip positions.

    Raises:
        CheckpointError: half a pair, or an unknown name.
    """
    base = {name: value for name, value in state.items() if MARK not in name}
    pairs: tuple[dict[int, dict[str, Tensor]], dict[int, dict[str, Tensor]]] = ({}, {})
    positions, unknown = {}, []
    for name, value in state.items():
        if MARK not in name:
            continue
        if found := _LORA.fullmatch(name):
            tower = pairs[0 if found[1] else 1]
            tower.setdefault(int(found[2]), {})[_PARTS[found[3]]] = value
        elif found := _POSITIONS.fullmatch(name):
            positions[int(found[1])] = value.reshape(-1, value.shape[-1])  # 1 clips 1 d
        else:
            unknown.append(name)
    halves = [f"block {number}" for tower in pairs for number, pair in tower.items() if len(pair) != 2]
    if unknown or halves:
        raise CheckpointError(
            f"not a TempMe checkpoint as released: unknown {', '.join(unknown) or 'nothing'}; LoRA_a without LoRA_b or "
            f"the reverse in {', '.join(halves) or 'no block'}"
        )
    vision, text = ({number: LowRank(**pair) for number, pair in sorted(tower.items())} for tower in pairs)
    return base, (vision, text, positions)
