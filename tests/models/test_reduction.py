"""Hooks do nothing unless a method fills them."""

import torch

from vidskim.models.attention import attend
from vidskim.models.reduction import CausalAttention, Reduction, mean_of_heads


def test_the_default_changes_nothing(generator: torch.Generator) -> None:
    reduction = Reduction()
    x, keys = torch.randn(2, 5, 24, generator=generator), torch.randn(2, 3, 5, 8, generator=generator)
    assert reduction.begin(x) is x
    assert reduction.after_attention(0, x, keys) is x
    assert reduction.after_block(0, x, keys) is x
    assert torch.equal(reduction.attend(0, keys, keys, keys), attend(keys, keys, keys))


def test_causal_attention_ignores_what_comes_later(generator: torch.Generator) -> None:
    q, k, v = torch.randn(3, 2, 3, 5, 8, generator=generator)
    whole = CausalAttention().attend(0, q, k, v)
    part = CausalAttention().attend(0, q[:, :, :3], k[:, :, :3], v[:, :, :3])
    torch.testing.assert_close(whole[:, :, :3], part)


def test_keys_are_averaged_in_float32(generator: torch.Generator) -> None:
    keys = torch.randn(2, 12, 5, 8, generator=generator).bfloat16()
    assert mean_of_heads(keys).dtype == torch.float32
    assert torch.equal(mean_of_heads(keys), keys.float().mean(dim=1))
    assert mean_of_heads(keys.double()).dtype == torch.float64
