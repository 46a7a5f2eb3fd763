"""LoRA of a Hugging Face CLIP in PEFT's format: adapter_config.json with adapter_model.safetensors.

There q, k and v are three layers, each with its own pair; here one fused layer has one. Ours becomes three with equal
`lora_A`; three that differ become one of up to three times the rank. Clip positions, which PEFT does not know, lie in a
file beside.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.models.layouts.clip import HF_CLIP
from vidskim.models.layouts.layout import stored_names
from vidskim.models.layouts.stated import read_json
from vidskim.models.lora import LowRank
from vidskim.models.weights import read_weights

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
POSITIONS_FILE = "clip_positions.safetensors"
ROOT = "base_model.model."
PROJECTIONS = ("q", "k", "v")
# Where PEFT's lora_A and lora_B may begin without a change to the weights beside them. The other ways, such as "pissa",
# "olora", "corda", "loftq" and "lora_ga", take from the weights what they put into the pair.
HARMLESS_STARTS = (True, False, None, "gaussian", "eva", "orthogonal", "mica")
_KEY = re.compile(
    r"base_model\.model\.(vision|text)_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.lora_([AB])\.weight"
)

Pairs = Mapping[int, LowRank]


def save_peft(
    folder: Path,
    vision: Pairs,
    text: Pairs,
    positions: Mapping[int, Tensor] | None = None,
    *,
    base_model: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write what `peft.PeftModel.from_pretrained(clip_model, folder)` loads.

    Args:
        folder: made if need be; files of these names are overwritten.
        vision: additions to the vision tower, by block, all of one rank.
        text: the same of the text tower.
        positions: clip positions by block, for vidskim alone.
        base_model: name or path of the Hugging Face CLIP.
        notes: for the header of PEFT's file, which PEFT passes over.

    Raises:
        CheckpointError: several ranks, or nothing to save.
    """
    ranks = {len(pair.down) for pairs in (vision, text) for pair in pairs.values()}
    if len(ranks) != 1:
        raise CheckpointError(
            f"PEFT's format takes LoRA of one rank, received ranks {sorted(ranks) or 'none'}"
        )
    state: dict[str, Tensor] = {}
    for pairs, names in ((vision, HF_CLIP.vision), (text, HF_CLIP.text)):
        for number, (down, up) in pairs.items():
            stored = stored_names(names, f"blocks.{number}.attention.qkv.weight")
            for name, rows in zip(stored, up.chunk(len(stored)), strict=True):
                stem = ROOT + name.removesuffix(".weight")
                state |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": rows}
    folder.mkdir(parents=True, exist_ok=True)
    _save(state, folder / WEIGHTS_FILE, notes)
    (folder / POSITIONS_FILE).unlink(missing_ok=True)
    if positions:
        _save({str(layer): table for layer, table in positions.items()}, folder / POSITIONS_FILE)
    record = _record(
        ranks.pop(), sorted({name.removeprefix(ROOT).split(".lora_")[0] for name in state}), base_model
    )
    (folder / CONFIG_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_peft(folder: Path) -> tuple[dict[int, LowRank], dict[int, LowRank], dict[int, Tensor]]:
    """Additions to the vision and to the text tower by block, and clip positions if there are any.

    Raises:
        CheckpointError: files are missing or damaged, or an adapter other than LoRA on q, k and v.
    """
    record = read_json(folder / CONFIG_FILE)
    _check(record, folder / CONFIG_FILE)
    alpha, rooted = float(record.get("lora_alpha", 8)), bool(record.get("use_rslora"))
    parts: dict[str, dict[int, dict[tuple[str, str], Tensor]]] = {"vision": {}, "text": {}}
    unknown = []
    for name, value in read_weights(folder / WEIGHTS_FILE).items():
        if found := _KEY.fullmatch(name):
            parts[found[1]].setdefault(int(found[2]), {})[found[3], found[4]] = value.float()
        else:
            unknown.append(name)
    if unknown:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE}: only LoRA on a CLIP's q_proj, k_proj and v_proj is read; found "
            f"{', '.join(unknown[:5])}"
        )
    vision, text = (
        {number: _fuse(pair, alpha, rooted, folder) for number, pair in sorted(parts[tower].items())}
        for tower in ("vision", "text")
    )
    file = folder / POSITIONS_FILE
    tables = read_weights(file) if file.is_file() else {}
    return vision, text, {int(layer): table for layer, table in tables.items()}


def _fuse(parts: Mapping[tuple[str, str], Tensor], alpha: float, rooted: bool, folder: Path) -> LowRank:
    """Pairs of q, k and v as one: with one `down` if they share it, else one under the other."""
    halves = [p for p in PROJECTIONS if ((p, "A") in parts) != ((p, "B") in parts)]
    present = [p for p in PROJECTIONS if (p, "A") in parts]
    if halves:
        raise CheckpointError(f"{folder / WEIGHTS_FILE}: lora_A without lora_B, or the reverse, of {halves}")
    downs = [parts[p, "A"] for p in present]
    scales = [alpha / len(down) ** (0.5 if rooted else 1.0) for down in downs]
    ups = [parts[p, "B"] * scale for p, scale in zip(present, scales, strict=True)]
    if len(present) == len(PROJECTIONS) and all(torch.equal(down, downs[0]) for down in downs):
        return LowRank(downs[0], torch.cat(ups))
    d = len(ups[0])
    up = torch.zeros(len(PROJECTIONS) * d, sum(map(len, downs)))
    start = 0
    for p, rows in zip(present, ups, strict=True):
        first = PROJECTIONS.index(p) * d
        up[first : first + d, start : start + rows.shape[1]] = rows
        start += rows.shape[1]
    return LowRank(torch.cat(downs), up)


def _check(record: Mapping[str, Any], path: Path) -> None:
    """Whether the adapter is nothing but low-rank additions."""
    if (kind := record.get("peft_type")) != "LORA":
        raise CheckpointError(f"{path}: peft_type must be LORA, received {kind!r}")
    others = ("use_dora", "lora_bias", "alpha_pattern", "modules_to_save", "fan_in_fan_out")
    if found := [name for name in others if record.get(name)]:
        raise CheckpointError(f"{path}: plain LoRA is read; this adapter has {', '.join(found)}")
    if (start := record.get("init_lora_weights")) not in HARMLESS_STARTS:
        raise CheckpointError(
            f"{path}: init_lora_weights {start!r} has changed the model's own weights, which are not in this folder; "
            "convert it to plain LoRA in PEFT: save_pretrained(..., path_initial_model_for_weight_conversion=...)"
        )


def _record(rank: int, targets: list[str], base_model: str | None) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base_model,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": rank,  # scale 1
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "target_modules": targets,
    }


def _save(state: Mapping[str, Tensor], path: Path, notes: Mapping[str, str] | None = None) -> None:
    # plain copies: a file must not depend on views or devices, and its tensors share nothing
    plain = {name: value.detach().float().cpu().clone().contiguous() for name, value in state.items()}
    safetensors.torch.save_file(plain, path, metadata={**(notes or {}), "format": "pt"})
