"""Losses against hand-made values."""

from math import log

import pytest
import torch

from vidskim.train.losses import contrastive_loss, feature_regression


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
