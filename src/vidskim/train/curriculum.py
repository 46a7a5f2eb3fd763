"""What a training of a video classifier is told, and the recipes: how it is done unless options say otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from vidskim.errors import SettingsError, unknown_name
from vidskim.models.layouts.videomae import HF_HEAD_EPS
from vidskim.models.variants import VIDEOMAE_SIZES, VideoVitConfig, videomae_vit
from vidskim.train.settings import LoopSettings

TINY = "tiny"
SAMPLING = ("segments", "dense")
VARIANTS = (TINY, *VIDEOMAE_SIZES)
OF_VIDEOS = (
    "classes",
    "epochs",
    "held_out",
    "sampling",
    "stride",
    "mirror",
    "least_crop",
)  # options without effect else

# Of rendered actions. The bundled demo-action is DIR3/model of
#   vidskim train recognition --out DIR1 --steps 800 --thinned 0.8
#   vidskim train recognition --out DIR2 --model DIR1/model --seed 1
#   vidskim train recognition --out DIR3 --model DIR2/model --seed 2 --steps 900 --learning-rate 7e-4
# Cost: 92,800 rendered clips, 25 minutes of one core. Expected, top-1 of 1024 test clips: 78 %, 84 %, 85.3 %.
RENDERED = LoopSettings(
    steps=1200, learning_rate=1e-3, warmup_steps=50, weight_decay=0.05, workers=0, checkpoint_every=400
)
# Of a model that has learnt from other videos before, and of one that has not.
FINE_TUNING = LoopSettings(
    steps=2000, learning_rate=5e-4, warmup_steps=100, weight_decay=0.05, betas=(0.9, 0.999), layer_decay=0.75
)
FROM_NOTHING = replace(FINE_TUNING, learning_rate=1e-3, layer_decay=1.0)


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """What is trained, on what and how.

    Args:
        model: a VideoMAE to fine-tune, pre-trained or a classifier, as `load_model`'s source; None begins from nothing.
        config: as `load_model`'s: what a bare state dict cannot tell.
        variant: size of a model from nothing: "tiny" (as demo-action, 1.2 M parameters; None is that) or VideoMAE's S,
            B, L, H.
        videos: a folder of folders named after classes, or a list of "path label"; None for rendered actions.
        classes: file with the names of the classes, one a line; None takes those of folders or list.
        held_out: share of the videos of each class to validate on, or a list of such videos.
        batch: clips in each batch of one process.
        keep: share of a clip's tokens that is looked at in the first part of the training, 1 for all.
        thinned: that part, as a share of the steps.
        epochs: instead of the loop's steps: passes over the videos.
        smoothing: share of the target that is spread over all classes.
        sampling: frames of a clip: "segments", spread over the whole video, or "dense", each `stride`-th.
        stride: for "dense".
        mirror: train on mirrored clips too; not where left and right tell classes apart.
        least_crop: smallest share of a frame's area that a training crop has.

    Raises:
        SettingsError: a value is out of range, or does not go with another.
    """

    model: str | Path | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    variant: str | None = None
    videos: Path | None = None
    classes: Path | None = None
    held_out: float | Path = 0.1
    batch: int = 32
    keep: float = 1.0
    thinned: float = 0.9
    epochs: float | None = None
    smoothing: float = 0.1
    sampling: str = "segments"
    stride: int = 4
    mirror: bool = False
    least_crop: float = 0.5

    def __post_init__(self) -> None:
        if self.variant is not None and self.variant not in VARIANTS:
            raise unknown_name("variant", self.variant, VARIANTS)
        if self.batch < 1:
            raise SettingsError(f"batch must be 1 or more, received {self.batch}")
        for name in ("keep", "least_crop"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingsError(f"{name} must be above 0 and at most 1, received {getattr(self, name):g}")
        for name in ("thinned", "smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{name} must be from 0 to below 1, received {getattr(self, name):g}")
        if self.epochs is not None and not self.epochs > 0:
            raise SettingsError(f"epochs must be above 0, received {self.epochs:g}")
        if self.sampling not in SAMPLING:
            raise unknown_name("sampling", self.sampling, SAMPLING)
        self._refuse_what_has_no_effect()

    def _refuse_what_has_no_effect(self) -> None:
        if self.model is not None and self.variant is not None:
            raise SettingsError(
                f"variant is the size of a model from nothing, and {self.model} has one; received {self.variant!r}"
            )
        if self.model is None and self.config:
            raise SettingsError(
                f"config tells what the files of a model do not; give a model, or leave out {sorted(self.config)}"
            )
        if self.videos is not None:
            return
        usual = {option.name: option.default for option in fields(self)}
        if given := [name for name in OF_VIDEOS if getattr(self, name) != usual[name]]:
            raise SettingsError(
                f"{', '.join(given)}: only with videos; rendered actions have their own classes, splits and sampling, "
                "and no end"
            )


def build_config(variant: str, *, classes: int) -> VideoVitConfig:
    """A model from nothing.

    Args:
        variant: one of `VARIANTS`.
        classes: of its head.
    """
    if variant in VIDEOMAE_SIZES:
        return replace(videomae_vit(variant, classes=classes), head_eps=HF_HEAD_EPS)
    return VideoVitConfig(
        width=128,
        layers=6,
        heads=2,
        patch=8,
        tubelet=2,
        frames=16,
        image=64,
        hidden=512,
        classes=classes,
        activation="gelu",
        eps=1e-6,
        head_eps=HF_HEAD_EPS,
    )


def find_recipe(*, videos: bool, model: bool) -> tuple[LoopSettings, dict[str, float]]:
    """How it is done unless options say otherwise.

    Args:
        videos: whether there are any, or actions are rendered.
        model: whether there is one to fine-tune.

    Returns:
        For the loop, and for `Recognition`.
    """
    if not videos:
        return RENDERED, {"keep": 0.125, "smoothing": 0.0}
    return (FINE_TUNING if model else FROM_NOTHING), {}
