"""Losses against hand-made values."""

from math import log
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from vidskim.train.losses import (
    caption_loss,
    caption_loss_both_ways,
    contrastive_loss,
    feature_mse,
    feature_regression,
)

FIXTURE = Path(__file__).parents[1] / "fixtures" / "residualvit_distil.safetensors"


def test_contrastive_loss_of_ignorance_is_log_b() -> None:
    same = torch.nn.functional.normalize(torch.ones(5, 4), dim=1)
    assert contrastive_loss(same, same, torch.tensor(10.0)).item() == pytest.approx(log(5), abs=1e-6)


def test_contrastive_loss_of_certainty_is_none() -> None:
    basis = torch.eye(6)
    assert contrastive_loss(basis, basis, torch.tensor(100.0)).item() < 1e-6
    assert contrastive_loss(basis, basis.roll(1, 0), torch.tensor(100.0)).item() == pytest.approx(
        100, abs=1e-3
    )


def test_texts_of_no_image_are_only_there_to_be_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts, foreign = (
        torch.nn.functional.normalize(torch.randn(6, 5, generator=generator), dim=1) for _ in "abc"
    )
    scale = torch.tensor(5.0)
    plain = contrastive_loss(images, texts, scale)
    assert contrastive_loss(images, torch.cat([texts, foreign]), scale) > plain
    basis = torch.eye(6)
    pairs, other = basis[:5], basis[5:]
    certain = contrastive_loss(pairs, torch.cat([pairs, other]), torch.tensor(100.0))
    assert certain.item() < 1e-6  # a text far from every image costs nothing


def test_contrastive_loss_treats_both_sides_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts = (
        torch.nn.functional.normalize(torch.randn(7, 5, generator=generator), dim=1) for _ in "ab"
    )
    scale = torch.tensor(4.0)
    assert contrastive_loss(images, texts, scale) == pytest.approx(
        contrastive_loss(texts, images, scale).item()
    )


def test_feature_regression_is_half_the_squared_distance_of_unit_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.nn.functional.normalize(torch.randn(9, 5, generator=generator), dim=1) for _ in "ab")
    assert feature_regression(a, b).item() == pytest.approx(
        ((a - b) ** 2).sum(dim=1).mean().item() / 2, abs=1e-6
    )
    assert feature_regression(a, a).item() == pytest.approx(0, abs=1e-6)


def test_caption_losses_are_those_of_the_authors_released_code() -> None:
    """Values alone; test_student has the gradients."""
    told = load_file(FIXTURE)
    student, teacher, texts = told["student"], told["teacher"], told["texts"]
    assert feature_mse(student, teacher).item() == pytest.approx(told["mse"].item(), abs=1e-5)
    assert caption_loss(student, teacher, texts, 100.0).item() == pytest.approx(told["ce"].item(), abs=1e-5)
    both = caption_loss_both_ways(student, teacher, texts, 100.0)
    assert both.item() == pytest.approx(told["ce-both"].item(), abs=1e-5)


def test_caption_loss_of_the_teacher_itself_is_its_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    teacher, texts = (
        torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1)
        for shape in ((4, 2, 5), (4, 5))
    )
    shares = (10.0 * teacher @ texts.T).softmax(dim=-1)
    entropy = -(shares * shares.log()).sum(dim=-1).mean()
    assert caption_loss(teacher, teacher, texts, 10.0).item() == pytest.approx(entropy.item(), abs=1e-5)
    assert caption_loss(teacher.roll(1, 0), teacher, texts, 10.0) > entropy


def test_cosines_are_exact_where_the_rest_is_in_bfloat16() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts = (F.normalize(torch.randn(16, 8, generator=generator), dim=1) for _ in range(2))
    exact = contrastive_loss(images, texts, torch.tensor(100.0))
    with torch.autocast("cpu", torch.bfloat16):
        assert (images @ texts.T).dtype == torch.bfloat16
        assert torch.equal(contrastive_loss(images, texts, torch.tensor(100.0)), exact)


def test_pairs_that_show_the_same_are_no_rivals() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts = (F.normalize(torch.randn(3, 8, generator=generator), dim=-1) for _ in range(2))
    scale, twice = torch.tensor(10.0), [0, 1, 2, 1]
    owners = torch.tensor(twice)
    plain = contrastive_loss(images[twice], texts[twice], scale)
    loss = contrastive_loss(images[twice], texts[twice], scale, owners=owners)
    assert loss < plain - 0.1
    logits = scale * images @ texts.T
    rows, columns = logits.log_softmax(dim=1).diagonal(), logits.log_softmax(dim=0).diagonal()
    # 0 and 2 see the second video twice; both of it see what three videos see
    logits_twice = (scale * images[twice] @ texts[twice].T)[[0, 2]]
    several = logits_twice.log_softmax(dim=1)[[0, 1], [0, 2]].sum()
    other = (scale * texts[twice] @ images[twice].T)[[0, 2]].log_softmax(dim=1)[[0, 1], [0, 2]].sum()
    expected = -(several + 2 * rows[1] + other + 2 * columns[1]) / 8
    torch.testing.assert_close(loss, expected)
    foreign = torch.cat([texts[twice], F.normalize(torch.randn(2, 8, generator=generator), dim=-1)])
    assert contrastive_loss(images[twice], foreign, scale, owners=owners) > loss
    apart = torch.arange(4)
    assert torch.equal(contrastive_loss(images[twice], texts[twice], scale, owners=apart), plain)
