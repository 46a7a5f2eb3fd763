"""What a retrieval training is told, and the recipes: how it is done unless options say otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vidskim.errors import SettingsError, unknown_name
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.models.lora import RANK
from vidskim.train.settings import LoopSettings

TUNES = ("lora", "full")
WORDS = 32  # most tokens of a sentence, as published for videos of one sentence
EACH = 8  # rendered videos of one actor in a batch
WARM_UP = 0.1  # of the steps
Located = tuple[CaptionedVideos, tuple[Path, ...]]  # videos, and where each one is

# As published for MSR-VTT: 9,000 videos of 20 sentences, 128 pairs in each step, five passes.
PAPER = LoopSettings(
    steps=7030,
    learning_rate=6e-4,
    warmup_steps=703,
    weight_decay=0.2,
    betas=(0.9, 0.999),
    eps=1e-6,
    clip_norm=1.0,
    checkpoint_every=150,
)
PAPER_BATCH, PAPER_EPOCHS = 128, 5.0
# Of rendered videos, for the bundled model; the adapter beside it is what `vidskim train retrieval --out DIR` makes.
RENDERED = replace(PAPER, steps=1200, learning_rate=3e-3, warmup_steps=150, workers=0, checkpoint_every=100)
RENDERED_BATCH = 32
RENDERED_PLAN = {"frames": 8, "joins": [[2, 2], [3, 2], [4, 2]], "r": 4, "across": 0.3, "within": 0.1}


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What is trained, on what and how.

    Args:
        model: a CLIP with its text tower, as `load_model`'s source.
        config: as `load_model`'s: what a bare state dict cannot tell.
        settings: of `load_model(method="tempme")`: plan, split, merge, faithful.
        tune: "lora", both towers beside frozen weights; or "full", all weights but the temperature.
        rank: of LoRA.
        position_std: standard deviation of the clip positions before the first step; 0 as published. Without
            effect where `model` was fully tuned and has its own beside it: those go on learning.
        videos: with sentences; None for rendered ones.
        held_out: share of the videos to select by, or such videos.
        batch: videos in each batch of one process; None is 128 or, if there are fewer to learn from, all; rendered: 32.
        epochs: instead of the loop's steps: passes over the sentences.
        words: most tokens of a sentence, in training and where the adapter is used.
        augment: whether videos read from files undergo RandAugment.
        chunk: videos whose activations are in memory at once; None for all of a batch.

    Raises:
        SettingsError: a value is out of range, or does not go with another.
    """

    model: str | Path
    config: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    tune: str = "lora"
    rank: int = RANK
    position_std: float = 0.0
    videos: Located | None = None
    held_out: float | Located = 0.05
    batch: int | None = None
    epochs: float | None = None
    words: int = WORDS
    augment: bool = True
    chunk: int | None = None

    def __post_init__(self) -> None:
        if self.tune not in TUNES:
            raise unknown_name("tune", self.tune, TUNES)
        for name, least in (("batch", 2), ("rank", 1), ("words", 3), ("chunk", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingsError(f"{name} must be {least} or more, received {value}")
        if not 0 <= self.position_std < float("inf"):
            raise SettingsError(f"position_std must be 0 or more, received {self.position_std:g}")
        if self.epochs is not None and not self.epochs > 0:
            raise SettingsError(f"epochs must be above 0, received {self.epochs:g}")
        if self.videos is None and self.epochs is not None:
            raise SettingsError("epochs goes with videos; rendered ones have no end")
        if self.videos is None and not isinstance(self.held_out, int | float):
            raise SettingsError("held_out goes with videos; rendered ones are held out by themselves")
        if self.videos is None and self.batch is not None and self.batch % EACH:
            raise SettingsError(
                f"a batch of rendered videos shows each actor {EACH} times, so batch must be a multiple of {EACH}; "
                f"received {self.batch}"
            )

    def to_record(self) -> dict[str, object]:
        """What decides the outcome beside model, method and videos: plain JSON values."""
        names = ("tune", *(("rank",) if self.tune == "lora" else ()), "position_std", "augment")
        return {name: getattr(self, name) for name in names}


def complete(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given for `Retrieval`, and the recipe's where nothing is.

    The method's settings are completed one by one, but beside a plan that is given: the recipe's go with its own.
    """
    completed = {**recipe, **given}
    settings = given.get("settings", {})
    if settings.get("plan") is None:
        completed["settings"] = {**recipe.get("settings", {}), **settings}
    return completed


def find_recipe(*, videos: bool) -> tuple[LoopSettings, dict[str, Any]]:
    """How it is done unless options say otherwise; the learning rates are for LoRA.

    Args:
        videos: whether there are any, or they are rendered.

    Returns:
        For the loop, and for `Retrieval`.
    """
    if videos:
        return PAPER, {"epochs": PAPER_EPOCHS}
    return RENDERED, {"rank": 16, "position_std": 1.0, "settings": {"plan": RENDERED_PLAN, "split": "clip"}}
