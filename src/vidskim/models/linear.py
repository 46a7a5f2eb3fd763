"""A linear layer with its activation, and weights that can be packed once for fast bfloat16 products on a CPU."""

from collections.abc import Callable
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The rows a packed layout is tuned for; it is right for any number.
PACKED_ROWS = 1024
# Activations the packed product applies while its result is still in registers: name and algorithm.
FUSED = {"none": ("none", ""), "silu": ("swish", ""), "gelu": ("gelu", "none")}


def quick_gelu(x: Tensor) -> Tensor:
    """OpenAI CLIP's activation, x * sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)


# "silu" is what `variants.fold_quick_gelu` turns "quick_gelu" into.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "gelu": F.gelu,
    "quick_gelu": quick_gelu,
    "silu": F.silu,
}


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class Linear(nn.Linear):
    """x W^T + b, then an activation.

    `pack` lays the weights out once as the CPU's bfloat16 product wants them, instead of in every call, and lets that
    product apply the activation: 1.1 to 1.2 times as fast, see docs/log.md. The packed copy is a cache: it is not part
    of the state dict, is left behind by copies, pickles and moves, and is not used where gradients are recorded.

    Args:
        inputs: width of the input.
        outputs: width of the output.
        bias: whether there is one.
        activation: "none", "gelu" (erf), "quick_gelu" or "silu".
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, activation: str = "none") -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.activation = activation
        self._packed: Tensor | None = None
        self._packed_from: tuple[int, int] | None = None  # where the weight lay and how often it had changed

    def forward(self, input: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]."""
        if self._packed is None or self._is_stale or torch.is_grad_enabled():
            plain = ACTIVATIONS[self.activation]
            return plain(super().forward(input))
        name, algorithm = FUSED[self.activation]
        out: Tensor = torch.ops.mkldnn._linear_pointwise(input, self._packed, self.bias, name, [], algorithm)
        return out

    def part(self, input: Tensor, outputs: slice) -> Tensor:
        """Some outputs only, before the activation: [..., inputs] -> [..., outputs of the slice]."""
        return F.linear(input, self.weight[outputs], None if self.bias is None else self.bias[outputs])

    @property
    def _is_stale(self) -> bool:
        """Whether the weights changed since they were packed."""
        return self._packed_from != (self.weight.data_ptr(), self.weight._version)

    def pack(self) -> None:
        """Pack the weights as they are now, if they are bfloat16 on a CPU that has it in hardware."""
        fits = self.weight.dtype == torch.bfloat16 and self.weight.device.type == "cpu"
        fits = fits and not self.weight.is_inference()  # such a tensor cannot say whether it changed
        if fits and self.activation in FUSED and cpu_has_bfloat16():
            self._packed_from = (self.weight.data_ptr(), self.weight._version)
            with torch.no_grad():
                self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), PACKED_ROWS)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `to` and its kin call: the packed copy would no longer fit."""
        self._packed = None
        moved: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return moved

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}


def pack_linears(model: nn.Module) -> None:
    """Pack every `Linear` of a model that is ready for inference."""
    for module in model.modules():
        if isinstance(module, Linear):
            module.pack()
