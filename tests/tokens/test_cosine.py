"""Cosines are as exact as what they are of."""

import torch
import torch.nn.functional as F

from vidskim.tokens.cosine import cosines


def test_cosines_are_exact_where_the_rest_is_in_bfloat16(generator: torch.Generator) -> None:
    vectors, others = (F.normalize(torch.randn(2, n, 8, generator=generator), dim=-1) for n in (5, 7))
    exact = cosines(vectors, others)
    torch.testing.assert_close(exact, (vectors[:, :, None] * others[:, None]).sum(dim=-1))
    with torch.autocast("cpu", torch.bfloat16):
        assert (vectors @ others.mT).dtype == torch.bfloat16
        assert torch.equal(cosines(vectors, others), exact)
