"""First weights of a CLIP model that is trained from nothing."""

import torch
from torch import Tensor, nn

from vidskim.models.text import TextTransformer
from vidskim.models.vit import VisionTransformer


def initialise(model: VisionTransformer | TextTransformer, generator: torch.Generator) -> None:
    """Fill a tower's weights by chance, in place.

    Source: Radford et al. 2021, the published code's standard deviations: residual branches shrink with depth.
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
        elif name == "patch.weight":
            _normal(value, value.shape[1] ** -0.5, generator)
        else:
            _normal(value, inside, generator)


def _constant(value: Tensor, number: float) -> None:
    nn.init.constant_(value, number)


def _normal(value: Tensor, std: float, generator: torch.Generator) -> None:
    nn.init.normal_(value, std=std, generator=generator)
