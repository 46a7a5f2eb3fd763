"""What a calibration tries: one table of methods and settings, and what it asks.

To try another setting, add a line to `FAMILIES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vidskim.methods.residual import Residual

# "full": the reference. "free": no compute between I-frames. "control": to be beaten, never chosen.
Role = Literal["full", "free", "control", "method"]

INTERLEAVES = (1, 2, 3, 5)


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
    """Settings that differ in `interleave`, and in one more dial if there is one.

    Args:
        name: for tables and curves.
        method: name of the frame method.
        role: what it is in the comparison.
        fixed: settings that all have.
        dial: the setting that is turned.
        values: what it is turned to.
    """

    name: str
    method: str
    role: Role = "method"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    dial: str | None = None
    values: Sequence[float] = ()

    def candidates(self) -> list[Candidate]:
        """Every setting of the family."""
        turned = [{}] if self.dial is None else [{self.dial: value} for value in self.values]
        return [
            Candidate(self.name, self.method, {"interleave": n, **dial, **self.fixed}, self.role)
            for n in INTERLEAVES
            for dial in turned
        ]


FULL = Candidate("full", "full", {}, "full")
FAMILIES: tuple[Family, ...] = (
    Family("copy", "copy", "free"),
    Family("interpolate", "interpolate", "free"),
    Family("reuse, random patches", "reuse", "control", {"select": "random"}, "keep", (0.15, 0.3)),
    Family("reuse, keep", "reuse", dial="keep", values=(0.15, 0.3)),
    Family("reuse, threshold", "reuse", dial="threshold", values=(0.03, 0.06, 0.1)),
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


def list_candidates(*, with_residual: bool) -> list[Candidate]:
    """The full encoder first, then every setting of every family.

    Args:
        with_residual: whether the model has a residual tokenizer.
    """
    families = [family for family in FAMILIES if with_residual or family.method != Residual.name]
    return [FULL, *(candidate for family in families for candidate in family.candidates())]
