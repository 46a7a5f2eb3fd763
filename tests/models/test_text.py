"""The text tower; that it equals transformers is tested with the layouts."""

import dataclasses

import pytest
import torch

from vidskim.models.text import TextTransformer
from vidskim.models.variants import TextConfig

CONFIG = TextConfig(
    width=24,
    layers=2,
    heads=3,
    hidden=40,
    context=10,
    vocabulary=50,
    embed=16,
    activation="gelu",
    eps=1e-5,
    end_id=49,
)


@pytest.fixture
def model(generator: torch.Generator) -> TextTransformer:
    model = TextTransformer(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return model.eval().requires_grad_(False)


def test_padding_is_never_read(model: TextTransformer) -> None:
    end = CONFIG.end_id
    short = torch.tensor([[48, 5, 6, end]])
    expected = model(short)
    assert expected.shape == (1, 16)
    for padding in (0, 7, end):
        padded = torch.tensor([[48, 5, 6, end, *[padding] * 6]])
        torch.testing.assert_close(model(padded), expected, atol=1e-6, rtol=1e-5)


def test_the_largest_id_ends_a_text_where_no_end_is_known(model: TextTransformer) -> None:
    other = TextTransformer(dataclasses.replace(CONFIG, end_id=None)).eval().requires_grad_(False)
    other.load_state_dict(model.state_dict())
    ids = torch.tensor([[48, 5, 49, 0, 0], [48, 49, 49, 49, 49]])
    torch.testing.assert_close(other(ids), model(ids))


def test_a_batch_is_its_rows(model: TextTransformer, generator: torch.Generator) -> None:
    ids = torch.randint(0, 48, (4, 10), generator=generator)
    ids[:, 6] = 49
    rows = torch.cat([model(row[None]) for row in ids])
    torch.testing.assert_close(model(ids), rows, atol=1e-6, rtol=1e-5)
