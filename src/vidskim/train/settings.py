"""What a training is told: how long, how fast, with what precision and where."""

import math
from dataclasses import asdict, dataclass

from vidskim.errors import SettingsError

PRECISIONS = ("auto", "float32", "bfloat16")
# These may differ when a training goes on: they change how it runs, not what is learnt. Where the best
# weights are selected on held-out videos, checkpoint_every also decides which steps are chosen from.
FREE = ("workers", "device", "checkpoint_every", "log_every")


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How `fit` trains.

    Args:
        steps: optimiser steps in all.
        learning_rate: its peak.
        warmup_steps: steps over which it rises linearly from 0.
        final_fraction: the cosine after the warm-up ends at this share of the peak.
        weight_decay: AdamW's, on matrices only: parameters with fewer than 2 dimensions have none.
        layer_decay: learning rate of each block as a share of the next one's, from the head down; 1 for one rate.
        betas: AdamW's.
        eps: AdamW's.
        clip_norm: largest norm of the whole gradient; None leaves it as it is.
        accumulate: batches per optimiser step (on each rank, where there are several).
        seed: of everything random in the training.
        precision: "float32", "bfloat16" (autocast; weights stay float32), or "auto": bfloat16 on a GPU and on a CPU
            that has it in hardware.
        device: "auto" (a GPU if there is one), "cpu", "cuda", ...
        workers: processes that make batches; 0 makes them in this process.
        checkpoint_every: steps between checkpoints; there is always one at the end.
        log_every: steps per line of metrics.jsonl.

    Raises:
        SettingsError: a value is of the wrong type or out of range.
    """

    steps: int
    learning_rate: float
    warmup_steps: int = 0
    final_fraction: float = 0.0
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    clip_norm: float | None = 1.0
    accumulate: int = 1
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"
    workers: int = 2
    checkpoint_every: int = 200
    log_every: int = 10

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "checkpoint_every", "log_every"):
            self._expect(name, "a whole number from 1", _is_whole(getattr(self, name), low=1))
        for name in ("warmup_steps", "workers", "seed"):
            self._expect(name, "a whole number from 0", _is_whole(getattr(self, name), low=0))
        self._expect("warmup_steps", f"at most steps ({self.steps})", self.warmup_steps <= self.steps)
        for name in ("learning_rate", "eps"):
            self._expect(name, "a number above 0", _is_above(getattr(self, name)))
        self._expect(
            "clip_norm", "a number above 0, or None", self.clip_norm is None or _is_above(self.clip_norm)
        )
        within = _is_within(self.layer_decay, high=1) and self.layer_decay > 0
        self._expect("layer_decay", "a number above 0, at most 1", within)
        self._expect("final_fraction", "a number from 0 to 1", _is_within(self.final_fraction, high=1))
        self._expect("weight_decay", "a number from 0", _is_within(self.weight_decay, high=math.inf))
        pair = isinstance(self.betas, tuple) and len(self.betas) == 2
        inside = pair and all(_is_within(beta, high=1) and beta < 1 for beta in self.betas)
        self._expect("betas", "two numbers from 0 to below 1", inside)
        self._expect("precision", f"one of {', '.join(PRECISIONS)}", self.precision in PRECISIONS)
        self._expect("device", 'text such as "auto", "cpu" or "cuda"', isinstance(self.device, str))

    def _expect(self, name: str, allowed: str, holds: bool) -> None:
        if not holds:
            raise SettingsError(f"{name}: expected {allowed}, received {getattr(self, name)!r}")

    def fixed(self) -> dict[str, object]:
        """The settings that decide what comes out, as JSON would give them back."""
        named = {name: value for name, value in asdict(self).items() if name not in FREE}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}


def _is_whole(value: object, *, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_above(value: float) -> bool:
    return _is_number(value) and 0 < value < math.inf


def _is_within(value: float, *, high: float) -> bool:
    return _is_number(value) and 0 <= value <= high and value < math.inf
