"""Every way to attend is the plain formula; projections are slices of one matrix."""

import pytest
import torch
from torch import Tensor

from vidskim.models.attention import Attention, attend, attend_in_products


def plain(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    logits = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return (logits if bias is None else logits + bias).softmax(dim=-1) @ v


@pytest.fixture
def qkv(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """More keys than queries: b 5, h 3, n 7, m 11, k 8."""
    q = torch.randn(5, 3, 7, 8, generator=generator)
    k, v = torch.randn(2, 5, 3, 11, 8, generator=generator)
    return q, k, v


def test_fused_is_plain(qkv: tuple[Tensor, Tensor, Tensor], generator: torch.Generator) -> None:
    torch.testing.assert_close(attend(*qkv), plain(*qkv))
    sizes = torch.randint(1, 5, (5, 1, 1, 11), generator=generator).float()
    torch.testing.assert_close(attend(*qkv, bias=sizes.log()), plain(*qkv, bias=sizes.log()))


def test_a_size_of_two_is_the_same_key_twice(qkv: tuple[Tensor, Tensor, Tensor]) -> None:
    q, k, v = qkv
    sizes = torch.ones(1, 11)
    sizes[0, 4] = 2
    twice = attend(q, torch.cat([k, k[:, :, 4:5]], dim=2), torch.cat([v, v[:, :, 4:5]], dim=2))
    torch.testing.assert_close(attend(q, k, v, bias=sizes.log()), twice)


def test_causal_sees_nothing_later(qkv: tuple[Tensor, Tensor, Tensor]) -> None:
    _, k, v = qkv
    hidden = torch.full((11, 11), float("-inf")).triu(1)
    torch.testing.assert_close(attend(k, k, v, causal=True), plain(k, k, v, bias=hidden))


@pytest.mark.parametrize("logits_bytes", [1, 3000, 1 << 20])
def test_products_in_pieces_are_plain(
    qkv: tuple[Tensor, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch, logits_bytes: int
) -> None:
    monkeypatch.setattr("vidskim.models.attention.LOGITS_BYTES", logits_bytes)
    torch.testing.assert_close(attend_in_products(*qkv)[0], plain(*qkv))


def test_bfloat16_without_gradients_takes_the_products(qkv: tuple[Tensor, Tensor, Tensor]) -> None:
    low = tuple(x.bfloat16() for x in qkv)
    with torch.inference_mode():
        ours = attend(*low)
    assert torch.equal(ours, attend_in_products(*low)[0])
    exact = plain(*(x.float() for x in low))
    assert (ours.float() - exact).abs().max() < 0.02


@pytest.mark.parametrize("bias", [True, False])
def test_some_queries_are_the_first_of_all(generator: torch.Generator, bias: bool) -> None:
    attention = Attention(width=24, heads=3, qkv_bias=bias)
    x = torch.randn(2, 5, 24, generator=generator)
    q, k, v = attention.project(x)
    assert q.shape == k.shape == v.shape == (2, 3, 5, 8)
    some, keys, values = attention.project_some(x, slice(0, 2))
    torch.testing.assert_close(some, q[:, :, :2])
    torch.testing.assert_close(keys, k)
    torch.testing.assert_close(values, v)


def test_it_is_pytorchs_attention(generator: torch.Generator) -> None:
    ours = Attention(width=24, heads=3)
    theirs = torch.nn.MultiheadAttention(24, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_bias.normal_(generator=generator)
    ours.qkv.load_state_dict({"weight": theirs.in_proj_weight, "bias": theirs.in_proj_bias})
    ours.out.load_state_dict(theirs.out_proj.state_dict())
    x = torch.randn(2, 5, 24, generator=generator)
    expected = theirs(x, x, x, need_weights=False)[0]
    torch.testing.assert_close(ours.merge(attend(*ours.project(x))), expected, atol=1e-6, rtol=1e-5)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width 24 is not divisible by 5 heads"):
        Attention(width=24, heads=5)
