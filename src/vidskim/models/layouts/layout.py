"""The record of one way to name weights, and the strict translation from it to the trunk's names."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import Tensor

LISTED = 10  # names of each kind in an error
ZEROS = (
    "zeros"  # stands for a stored name where nothing is stored and the trunk has zeros (VideoMAE's key bias)
)


@dataclass(frozen=True)
class Layout:
    """One way of naming a model's weights.

    In names, `{n}` is a block's number, the last one in the name, and a last `*` is "weight" or "bias". Three stored
    names in a row are q, k and v, which the trunk keeps in one matrix; `ZEROS` may stand for one of them.

    Args:
        name: for messages.
        family: "clip", "vit", "dinov2", "videomae" or "swin".
        signature: the key that tells the layout from others.
        vision: trunk name -> stored name, or the stored names of q, k, v.
        text: the same for the text tower.
        transposed: trunk names stored as [in, out].
        ignored: patterns of keys that are known and have no place in the trunk.
        strip: prefixes that wrap the tower in some files.
        renamed: another name some files have -> the one used here; both may have `{n}`.
        tower: prefix that a file with the vision tower alone leaves out.
        defaults: what neither tensors nor config.json say: activation, eps.
    """

    name: str
    family: str
    signature: str
    vision: Mapping[str, str | tuple[str, ...]]
    text: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    transposed: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    tower: str = ""
    defaults: Mapping[str, object] = field(default_factory=dict)

    def normalise(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state under this layout's full names, whatever wraps or shortens them."""
        named = {_without(name, self.strip): value for name, value in state.items()}
        named = {self._renamed(name): value for name, value in named.items()}
        if self.tower and not any(name.startswith(self.tower) for name in named):
            named = {self.tower + name: value for name, value in named.items()}
        return named

    def _renamed(self, name: str) -> str:
        pattern, block = _numbered(name)
        return self.renamed[pattern].replace("{n}", block) if pattern in self.renamed else name


@dataclass
class Problems:
    """What does not fit, gathered over both towers so that one error tells all."""

    missing: list[str] = field(default_factory=list)
    misshaped: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = {
            "missing": self.missing,
            "of another shape": self.misshaped,
            "unexpected": self.unexpected,
            "with NaN or infinite values": self.not_finite,
        }
        return "; ".join(f"{len(found)} {kind}: {_listed(found)}" for kind, found in kinds.items() if found)


def stored_names(names: Mapping[str, str | tuple[str, ...]], target: str) -> tuple[str, ...]:
    """The stored name or names of one trunk tensor; empty if the layout has none.

    `stored_names(OPENAI.vision, "blocks.3.norm1.bias")` is `("visual.transformer.resblocks.3.ln_1.bias",)`.
    """
    pattern, block = _numbered(target)
    kind = target.rpartition(".")[2]
    candidates = (name for full in (target, pattern) for name in (full, full.removesuffix(kind) + "*"))
    found = next((names[name] for name in candidates if name in names), ())
    templates = (found,) if isinstance(found, str) else found
    return tuple(name.replace("{n}", block).replace("*", kind) for name in templates)


def translate(
    state: Mapping[str, Tensor],
    shapes: Mapping[str, torch.Size],
    *,
    layout: Layout,
    names: Mapping[str, str | tuple[str, ...]],
    problems: Problems,
) -> tuple[dict[str, Tensor], set[str]]:
    """One tower's tensors under the trunk's names.

    Args:
        state: normalised stored tensors.
        shapes: what the trunk expects, by trunk name.
        layout: where the names come from.
        names: its `vision` or its `text`.
        problems: is added to.

    Returns:
        the trunk's state, and the stored names that were read.
    """
    out: dict[str, Tensor] = {}
    used: set[str] = set()
    for target, shape in shapes.items():
        if shape.numel() == 0:  # no registers
            out[target] = torch.empty(shape)
            continue
        sources = stored_names(names, target)
        used.update(sources)
        stored = [name for name in sources if name != ZEROS]
        absent = [name for name in stored if name not in state] if stored else [target]
        problems.missing += absent
        if absent:
            continue
        part = torch.Size([shape[0] // len(sources), *shape[1:]])
        transposed = target in layout.transposed
        parts = [
            torch.zeros(part, dtype=state[stored[0]].dtype)
            if name == ZEROS
            else _fitted(name, state[name], part, transposed=transposed, problems=problems)
            for name in sources
        ]
        fitted = [value for value in parts if value is not None]
        if len(fitted) == len(sources):
            out[target] = fitted[0] if len(fitted) == 1 else torch.cat(fitted)
    return out, used


def restore(
    state: Mapping[str, Tensor], names: Mapping[str, str | tuple[str, ...]], *, patch: tuple[int, ...]
) -> dict[str, Tensor]:
    """`translate` undone, for layouts without transposed names: trunk tensors under their stored names.

    Args:
        state: of the trunk; what `ZEROS` stands for is left out, whatever it is.
        names: the layout's `vision` or `text`.
        patch: shape of a patch, (y, x) or (t, y, x).
    """
    out: dict[str, Tensor] = {}
    for target, value in state.items():
        sources = stored_names(names, target)
        if target == "patch.weight":
            value = value.reshape(-1, 3, *patch)
        if sources:  # an empty table of registers has no name
            out |= dict(zip(sources, value.chunk(len(sources)), strict=True))
    out.pop(ZEROS, None)
    return out


def is_finite(value: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    # one fast pass: only a sum that is not finite needs the slow look at each value
    return bool(value.sum(dtype=torch.float32).isfinite()) or bool(value.isfinite().all())


def find_unexpected(state: Mapping[str, Tensor], used: set[str], ignored: tuple[str, ...]) -> list[str]:
    """Stored keys that nobody read and the layout does not know either."""
    return [
        name
        for name in state
        if name not in used and not any(fnmatchcase(name, pattern) for pattern in ignored)
    ]


def _fitted(
    name: str, value: Tensor, shape: torch.Size, *, transposed: bool, problems: Problems
) -> Tensor | None:
    """The tensor in the trunk's shape: leading ones dropped, a patch convolution flattened, [in, out] turned round."""
    expected = torch.Size(reversed(shape)) if transposed else shape
    if value.dim() in (4, 5) and len(shape) == 2:
        frames = list(value.shape[2:-2])  # of a tubelet
        side = round((shape[1] / 3 / math.prod(frames)) ** 0.5)
        expected = torch.Size([shape[0], 3, *frames, side, side])
    if _core(value.shape) != _core(expected):
        problems.misshaped.append(f"{name} (expected {list(expected)}, received {list(value.shape)})")
        return None
    if not value.is_floating_point() or not is_finite(value):
        problems.not_finite.append(name)
        return None
    return (value.T if transposed else value.reshape(shape)).contiguous()


def _numbered(name: str) -> tuple[str, str]:
    """A name with `{n}` for its block's number, and the number: "blocks.3.x" -> ("blocks.{n}.x", "3")."""
    found = re.fullmatch(r"(.*\.)(\d+)(\..*)", name)
    return (f"{found[1]}{{n}}{found[3]}", found[2]) if found else (name, "")


def _core(shape: torch.Size) -> tuple[int, ...]:
    sides = list(shape)
    while len(sides) > 1 and sides[0] == 1:
        sides.pop(0)
    return tuple(sides)


def _without(name: str, prefixes: tuple[str, ...]) -> str:
    return next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), name)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(sorted(names)[:LISTED]) + more
