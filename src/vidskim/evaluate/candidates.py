"""What a calibration tries: one table of methods and settings, and what it asks.

To try another setting, add a line to `FAMILIES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vidskim.methods.residual import Residual

# "full": the reference. "free": no compute between I-frames. "control": to be beaten, never chosen.
Role = Literal["full", "free", "control", "method"]

INTERLEAVES = (1, 2, 3, 5)
BUDGETS = (0.25, 0.35, 0.45, 0.6)


@dataclass(frozen=True)
class Candidate:
    """One method with its settings.

    Args:
        family: the curve it lies on.
        method: name of the frame method.
        settings: as `load_model` takes them.
        role: what it is in the comparison.
    """

    family: str
    method: str
    settings: Mapping[str, Any]
    role: Role = "method"

    def __str__(self) -> str:
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{self.method} ({settings})" if settings else self.method


@dataclass(frozen=True)
class Family:
    """Settings of one method that differ in `interleave`, in one more dial, or in both.

    Args:
        name: for tables and curves.
        method: name of the frame method.
        role: what it is in the comparison.
        fixed: settings that all have.
        dial: the setting that is turned.
        values: what it is turned to.
        interleaves: P-frames for each I-frame; none where the method places I-frames itself.
    """

    name: str
    method: str
    role: Role = "method"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    dial: str | None = None
    values: Sequence[float] = ()
    interleaves: Sequence[int] = INTERLEAVES

    def candidates(self) -> list[Candidate]:
        """Every setting of the family."""
        groups = [{"interleave": n} for n in self.interleaves] or [{}]
        turned = [{}] if self.dial is None else [{self.dial: value} for value in self.values]
        return [
            Candidate(self.name, self.method, {**group, **dial, **self.fixed}, self.role)
            for group in groups
            for dial in turned
        ]

    def including(self, budget: float) -> "Family":
        """The same with one more budget, where that is the dial."""
        return replace(self, values=sorted({*self.values, budget})) if self.dial == "budget" else self


FULL = Candidate("full", "full", {}, "full")
FAMILIES: tuple[Family, ...] = (
    Family("copy", "copy", "free"),
    Family("interpolate", "interpolate", "free"),
    Family("reuse, random patches", "reuse", "control", {"select": "random"}, "budget", BUDGETS, ()),
    Family("reuse, budget", "reuse", dial="budget", values=BUDGETS, interleaves=()),
    Family("reuse, keep", "reuse", dial="keep", values=(0.15,)),
    Family("reuse, threshold", "reuse", dial="threshold", values=(0.06,)),
    Family("residual, keep", "residual", dial="keep", values=(0.15, 0.3)),
)
# Sentences to rank frames by where none are given: for models of photographs, and for the bundled one.
QUERIES = (
    "a person",
    "a face, close up",
    "a car",
    "an animal",
    "food on a table",
    "text on a screen",
    "the sky",
)
SHAPE_QUERIES = (
    "a red star",
    "a small blue circle",
    "a green triangle moves left",
    "a yellow ring spins",
    "a pink arrow",
)


def list_candidates(*, with_residual: bool, budget: float) -> list[Candidate]:
    """The full encoder first, then every setting of every family.

    Args:
        with_residual: whether the model has a residual tokenizer.
        budget: that will be chosen within; what takes a budget is tried with it too.
    """
    families = [
        family.including(budget) for family in FAMILIES if with_residual or family.method != Residual.name
    ]
    return [FULL, *(candidate for family in families for candidate in family.candidates())]
