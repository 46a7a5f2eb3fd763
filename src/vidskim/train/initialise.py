"""First weights of models that are trained from nothing."""

import torch
from torch import Tensor, nn

from vidskim.models.text import TextTransformer
from vidskim.models.video_vit import VideoTransformer
from vidskim.models.vit import VisionTransformer

HEAD = 0.02  # small: at first every class is as likely as any other
CHANGE = 3.0  # from frame to frame pixels differ by less than they do from each other


def initialise(
    model: VisionTransformer | TextTransformer | VideoTransformer, generator: torch.Generator
) -> None:
    """Fill a tower's weights by chance, in place.

    Source: Radford et al. 2021, the published code's standard deviations: residual branches shrink with depth. Tubelets
    are ours, see `_tubelets`.
    """
    width, layers = model.config.width, model.config.layers
    inside, out = width**-0.5, width**-0.5 * (2 * layers) ** -0.5
    for name, value in model.named_parameters():
        if "norm" in name or name.startswith("scale"):
            _constant(value, 0.0 if name.endswith("bias") else 1.0)
        elif name.endswith("bias"):
            _constant(value, 0.0)
        elif name.endswith(("attention.out.weight", "mlp.fc2.weight")):
            _normal(value, out, generator)
        elif name.endswith("mlp.fc1.weight"):
            _normal(value, (2 * width) ** -0.5, generator)
        elif name == "tokens.weight":
            _normal(value, 0.02, generator)
        elif name == "positions" and isinstance(model, TextTransformer):
            _normal(value, 0.01, generator)
        elif name == "head.weight":
            _normal(value, HEAD, generator)
        elif name == "patch.weight" and isinstance(model, VideoTransformer):
            _tubelets(value, frames=model.config.tubelet, generator=generator)
        elif name == "patch.weight":
            _normal(value, value.shape[1] ** -0.5, generator)
        else:
            _normal(value, inside, generator)


def _constant(value: Tensor, number: float) -> None:
    nn.init.constant_(value, number)


def _normal(value: Tensor, std: float, generator: torch.Generator) -> None:
    nn.init.normal_(value, std=std, generator=generator)


def _tubelets(weight: nn.Parameter, *, frames: int, generator: torch.Generator) -> None:
    """Half of the channels see the mean of a tubelet's frames, the others how the first half of them differs from the
    second: then motion stands out from the first step on.

    Args:
        weight: [d, 3 t p p].
        frames: t.
        generator: of the filters.
    """
    width, inputs = weight.shape
    filters = torch.empty(width, 3, 1, inputs // (3 * frames))
    _normal(filters, filters[0].numel() ** -0.5, generator)
    shares = torch.full((width, 1, frames, 1), 1 / frames)
    shares[width // 2 :] *= 2 * CHANGE
    shares[width // 2 :, :, frames // 2 :] *= -1
    with torch.no_grad():
        weight.copy_((filters * shares).reshape(width, inputs))
