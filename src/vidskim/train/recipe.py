"""What a distillation is told, and the recipes: how a residual tokenizer is trained unless options say otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vidskim.errors import SettingsError, unknown_name
from vidskim.train.ranges import Ranges
from vidskim.train.settings import LoopSettings

FEATURE_LOSSES, CAPTION_LOSSES = ("regression", "mse"), ("ce", "ce-both")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a residual tokenizer is trained.

    Args:
        loop: of the training.
        depth: linear layers of the tokenizer.
        batch: groups in each batch of one process.
    """

    loop: LoopSettings
    depth: int
    batch: int


RECIPES = {
    "paper": Recipe(
        loop=LoopSettings(
            steps=1500, learning_rate=5e-4, final_fraction=1.0, betas=(0.9, 0.98), eps=1e-6, clip_norm=None
        ),
        depth=1,
        batch=16,
    ),
    "tuned": Recipe(loop=LoopSettings(steps=1500, learning_rate=3e-3, warmup_steps=30), depth=2, batch=16),
}


def find_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """What is distilled, from what and how.

    Args:
        model: whose tokenizer; as `load_model`'s source.
        config: as `load_model`'s: what a bare state dict cannot tell.
        depth: linear layers of the tokenizer; the published one has 1.
        loss: "regression" (1 - cosine) or "mse" of features; "ce" or "ce-both": cross-entropy over captions.
        ranges: of P-frames in a group and share of patches kept; each batch draws its own.
        batch: groups in each batch of one process.
        epochs: instead of the loop's steps: how often each frame of the footage is seen, about.
        videos: files, folders or "@list.txt" to train on; none for rendered scenes.
        fps: frames per second to sample, of footage and of scenes.
        mirrored: train on mirrored footage too.
        held_out: share of the videos to validate on.
        captions: table of captions for the losses that need them; None for text files beside the videos.

    Raises:
        SettingsError: a value is out of range, or does not go with another.
    """

    model: str | Path
    config: Mapping[str, object] = field(default_factory=dict)
    depth: int
    loss: str = "regression"
    ranges: Ranges = field(default_factory=Ranges)
    batch: int
    epochs: float | None = None
    videos: Sequence[str | Path] = ()
    fps: float = 3.0
    mirrored: bool = True
    held_out: float = 0.2
    captions: Path | None = None

    def __post_init__(self) -> None:
        for name, count in {"depth": self.depth, "batch": self.batch}.items():
            if count < 1:
                raise SettingsError(f"{name} must be 1 or more, received {count}")
        if self.loss not in FEATURE_LOSSES + CAPTION_LOSSES:
            raise unknown_name("loss", self.loss, FEATURE_LOSSES + CAPTION_LOSSES)
        if not self.fps > 0:
            raise SettingsError(f"fps must be above 0, received {self.fps:g}")
        if self.epochs is not None and not self.epochs > 0:
            raise SettingsError(f"epochs must be above 0, received {self.epochs:g}")
        if not self.videos:
            for name, value in {"epochs": self.epochs, "captions": self.captions}.items():
                if value is not None:
                    raise SettingsError(
                        f"{name} goes with videos; rendered scenes have no end and no captions"
                    )
        if self.needs_captions and not self.videos:
            raise SettingsError(f"loss {self.loss!r} needs videos with captions; rendered scenes have none")
        if self.captions is not None and not self.needs_captions:
            raise SettingsError(
                f"captions go with loss {' or '.join(CAPTION_LOSSES)}; received loss {self.loss!r}"
            )

    @property
    def needs_captions(self) -> bool:
        """Whether the loss compares frames with texts."""
        return self.loss in CAPTION_LOSSES
