"""Multiply-accumulates as counted from the operators that really ran, to check the closed formulas against."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode


def count_macs(run: Callable[[], object]) -> int:
    """MACs of everything `run` computes in matrix products, convolutions and attention.

    PyTorch's counter sees nothing in the CPU's fused attention (up to a quarter of a video transformer) and in
    products with packed weights, so these operators are given rules here.

    Args:
        run: called once.
    """
    rules: dict[Any, Callable[..., int]] = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _fused_attention
    }
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        rules[torch.ops.mkldnn._linear_pointwise] = _packed_linear
    with FlopCounterMode(display=False, custom_mapping=rules) as counter:
        run()
    return int(counter.get_total_flops()) // 2


def _fused_attention(q: torch.Size, k: torch.Size, v: torch.Size, *_: Any, **__: Any) -> int:
    """FLOPs of the two products: q [b, h, n, k], k and v [b, h, m, k], given as shapes."""
    b, h, n, c = q
    return 2 * b * h * n * k[2] * (c + v[3])


def _packed_linear(x: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
    """FLOPs of x [..., inputs] times weight [outputs, inputs]."""
    return 2 * math.prod(x) * weight[0]
